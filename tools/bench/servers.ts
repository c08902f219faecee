// Many servers at once, and one real guest.
import { setTimeout as delay } from 'node:timers/promises'
import type { BenchCloud } from './cloud.ts'
import { cpuMs } from './processes.ts'

interface Server {
  id: string
  status: string
}

export interface Burst {
  asked: number
  failed: number
  acceptedSeconds: number
  activeSeconds: number
  /** CPU of all our processes from the first request to the last ACTIVE, for each server. */
  cpuMsEach: number
  goneSeconds: number
  deleteCpuMsEach: number
}

/** Creates `count` servers, `atOnce` requests at a time, waits until all are ACTIVE, and deletes them. */
export async function burst(cloud: BenchCloud, count: number, atOnce: number): Promise<Burst> {
  const { call, projectId, run } = cloud
  await call('PUT', `/compute/v2.1/os-quota-sets/${projectId}`, { quota_set: { instances: -1, cores: -1, ram: -1 } })
  await call('PUT', `/network/v2.0/quotas/${projectId}`, { quota: { port: -1 } })
  const { network } = await call<{ network: { id: string } }>('POST', '/network/v2.0/networks', {
    network: { name: 'burst' },
  })
  await call('POST', '/network/v2.0/subnets', {
    subnet: { network_id: network.id, ip_version: 4, cidr: '10.64.0.0/16' },
  })
  const wish = await tinyOn(cloud, network.id)
  const list = () => call<{ servers: Server[] }>('GET', `/compute/v2.1/servers/detail?limit=1000`)
  const cpuBefore = cpuMs(run)
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  let failed = 0
  await each(count, atOnce, async (index) => {
    await call('POST', '/compute/v2.1/servers', { server: { ...wish, name: `burst-${index}` } }).catch(() => {
      failed += 1
    })
  })
  const acceptedSeconds = seconds()
  let servers: Server[]
  do {
    await delay(250)
    ;({ servers } = await list())
  } while (servers.some(({ status }) => status === 'BUILD'))
  const activeSeconds = seconds()
  const cpuMsEach = (cpuMs(run) - cpuBefore) / count
  failed += servers.filter(({ status }) => status !== 'ACTIVE').length

  const cpuBetween = cpuMs(run)
  const deleting = performance.now()
  await each(servers.length, atOnce, (index) => call('DELETE', `/compute/v2.1/servers/${servers[index]?.id}`))
  while ((await list()).servers.length > 0) await delay(250)
  return {
    ...{ asked: count, failed, acceptedSeconds, activeSeconds, cpuMsEach },
    goneSeconds: (performance.now() - deleting) / 1000,
    deleteCpuMsEach: (cpuMs(run) - cpuBetween) / count,
  }
}

/** Makes `count` servers, waits until none is being built, deletes them; answers how many did not become ACTIVE. */
export async function launchMany(cloud: BenchCloud, count: number, atOnce: number): Promise<number> {
  const { call } = cloud
  const wish = await tinyOn(
    cloud,
    (await call<Networks>('GET', '/network/v2.0/networks?name=private')).networks[0]?.id ?? '',
  )
  await each(count, atOnce, async (index) => {
    // who asked a process that died asks again
    const ask = () => call('POST', '/compute/v2.1/servers', { server: { ...wish, name: `many-${index}` } })
    await ask().catch(async () => {
      await delay(3000)
      await ask()
    })
  })
  const list = async () => (await call<{ servers: Server[] }>('GET', '/compute/v2.1/servers/detail?limit=1000')).servers
  let servers = await list()
  for (; servers.some(({ status }) => status === 'BUILD'); servers = await list()) await delay(250)
  const failed = servers.filter(({ status }) => status !== 'ACTIVE').length
  await each(servers.length, atOnce, (index) => call('DELETE', `/compute/v2.1/servers/${servers[index]?.id}`))
  while ((await list()).length > 0) await delay(250)
  return failed
}

interface Networks {
  networks: { id: string }[]
}

/** Makes one server and answers the seconds until it is ACTIVE. */
export async function firstGuest(cloud: BenchCloud): Promise<number> {
  const { networks } = await cloud.call<Networks>('GET', '/network/v2.0/networks?name=private')
  const wish = await tinyOn(cloud, networks[0]?.id ?? '')
  const began = performance.now()
  const { server } = await cloud.call<{ server: Server }>('POST', '/compute/v2.1/servers', {
    server: { ...wish, name: 'first' },
  })
  for (;;) {
    const { server: now } = await cloud.call<{ server: Server }>('GET', `/compute/v2.1/servers/${server.id}`)
    if (now.status === 'ERROR') throw new Error('the first guest is in ERROR')
    if (now.status === 'ACTIVE') return (performance.now() - began) / 1000
    await delay(50)
  }
}

async function tinyOn({ call }: BenchCloud, networkId: string) {
  const { flavors } = await call<{ flavors: { id: string; name: string }[] }>('GET', '/compute/v2.1/flavors')
  const { images } = await call<{ images: { id: string }[] }>('GET', '/image/v2/images?name=tiny')
  const flavorRef = flavors.find(({ name }) => name === 'tiny')?.id
  if (!flavorRef || !images[0]) throw new Error('the cloud has no flavor or no image tiny')
  return { flavorRef, imageRef: images[0].id, networks: [{ uuid: networkId }] }
}

/** Calls `work` that often, `atOnce` at a time. */
export async function each(count: number, atOnce: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
