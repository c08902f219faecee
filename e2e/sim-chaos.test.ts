// Every process of the cloud is killed in turn while it makes, and while it deletes, two hundred servers on a hundred
// simulated hosts. Nothing may be lost and nothing may be left over.
import assert from 'node:assert/strict'
import test from 'node:test'
import { type Cloud, startCloud } from './testing/cloud.ts'
import { cleanup } from './testing/cleanup.ts'
import { rows } from './testing/database.ts'
import { kill, restarted } from './testing/kill.ts'
import { Hopeless, until } from './testing/until.ts'

const wanted = 200
const atOnce = 16
const victims = ['server-1', 'server-2', 'postgres', 'server-1', 'server-2', 'postgres', 'supervisor']

interface Server {
  id: string
  name: string
  status: string
  fault?: { message: string }
}

test('all servers are made and deleted though every process is killed in turn', async (t) => {
  const cloud = await startCloud(cleanup(t), { args: ['--sim', '100', '--processes', '2'] })
  const { call, send, projectId } = cloud.api
  await call('PUT', `/compute/v2.1/os-quota-sets/${projectId}`, {
    quota_set: { instances: -1, cores: -1, ram: -1 },
  })
  const flavors = await call<{ flavors: { id: string; name: string }[] }>('GET', '/compute/v2.1/flavors')
  const images = await call<{ images: { id: string }[] }>('GET', '/image/v2/images?name=tiny')
  const networks = await call<{ networks: { id: string }[] }>('GET', '/network/v2.0/networks?name=private')
  const flavorRef = flavors.flavors.find(({ name }) => name === 'tiny')?.id
  const imageRef = images.images[0]?.id
  const networkId = networks.networks[0]?.id
  assert.ok(flavorRef && imageRef && networkId)
  const names = Array.from({ length: wanted }, (_, index) => `chaos-${index}`)
  const list = async () =>
    (await call<{ servers: Server[] }>('GET', `/compute/v2.1/servers/detail?limit=${wanted + 50}`)).servers

  await t.test('create', async () => {
    // A reply that never came does not tell whether the server was made: a client looks before it asks again.
    const create = async (name: string) => {
      let asked = false
      await until(`${name} is accepted`, async () => {
        const found = asked && (await call<{ servers: unknown[] }>('GET', `/compute/v2.1/servers?name=^${name}$`))
        if (found && found.servers.length > 0) return true
        asked = true
        const server = { name, flavorRef, imageRef, networks: [{ uuid: networkId }] }
        const reply = await send('POST', '/compute/v2.1/servers', { server })
        if (reply.status < 500 && reply.status !== 202) throw new Hopeless(reply.text)
        return reply.status === 202
      })
    }
    await amidKills(cloud, names, create)
    const servers = await until(`${wanted} ACTIVE`, async () => {
      const all = await list()
      const broken = all.find(({ status }) => status === 'ERROR')
      if (broken) throw new Hopeless(`${broken.name}: ${broken.fault?.message}`)
      return all.length >= wanted && all.every(({ status }) => status === 'ACTIVE') && all
    })
    assert.deepEqual(servers.map(({ name }) => name).toSorted(), names.toSorted())
    const ids = servers.map(({ id }) => id).toSorted()
    assert.deepEqual(await consumers(cloud), ids)
    assert.deepEqual(await portOwners(cloud), ids)
    assert.deepEqual(await machines(cloud), ids)
    assert.deepEqual(await unfinished(cloud), [])
  })

  await t.test('delete', async () => {
    const ids = (await list()).map(({ id }) => id)
    await amidKills(cloud, ids, async (id) => {
      await until(`${id} is to be deleted`, async () => {
        const { status, text } = await send('DELETE', `/compute/v2.1/servers/${id}`)
        if (status < 500 && status !== 204 && status !== 404) throw new Hopeless(text)
        return status < 500
      })
    })
    await until('no server', async () => (await list()).length === 0)
    for (const left of [consumers, portOwners, machines, unfinished]) assert.deepEqual(await left(cloud), [], left.name)
  })
})

/** Does the work for all, some at once; whenever another part of it is done, the next process is killed. */
async function amidKills(cloud: Cloud, items: string[], work: (item: string) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const left = [...victims]
  const each = Math.floor(items.length / (victims.length + 1))
  let done = 0
  let next = each
  let killing = Promise.resolve()
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await work(item)
      done += 1
      const victim = done === next ? left.shift() : undefined
      if (victim === undefined) continue
      next += each
      // Each dies only when the one before is back; the others work on meanwhile.
      killing = killing.then(() => strike(cloud, victim))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  await killing
  assert.deepEqual(left, [], 'every process was killed')
}

async function strike(cloud: Cloud, victim: string): Promise<void> {
  // the death of another one may have taken it along: it is killed when it lives again
  const pid = await until(`${victim} runs`, async () => kill(cloud, victim))
  if (victim === 'supervisor') await cloud.pileus('up', '--detach', '--sim', '100', '--processes', '2')
  await restarted(cloud, victim, pid)
}

const idsOf = async (cloud: Cloud, question: string) =>
  (await rows<{ id: string }>(cloud, question)).map(({ id }) => id)

const consumers = (cloud: Cloud) => idsOf(cloud, 'select distinct consumer_id::text as id from allocation order by 1')

const portOwners = (cloud: Cloud) =>
  idsOf(cloud, `select device_id as id from port where device_owner like 'compute:%' order by 1`)

const machines = (cloud: Cloud) => idsOf(cloud, 'select id::text as id from sim_machine order by 1')

const unfinished = (cloud: Cloud) => idsOf(cloud, 'select id::text as id from task where finished_at is null')
