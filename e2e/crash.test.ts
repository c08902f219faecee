// Servers and agent are killed while a real guest is made, and while one runs.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { cleanup, scratch } from './testing/cleanup.ts'
import { startCloud } from './testing/cloud.ts'
import { inGuest, makeKey, untilLogin } from './testing/guest.ts'
import { kill, restarted } from './testing/kill.ts'
import { makeNamespace } from './testing/namespace.ts'
import { whyNot } from './testing/needs.ts'
import { qemuOf } from './testing/qemu.ts'
import { inNamespace } from './testing/run.ts'
import { Hopeless, until } from './testing/until.ts'

interface Server {
  id: string
  status: string
  fault?: { message: string }
}

test('kill -9', { skip: whyNot('root', 'client', 'guest') }, async (t) => {
  const undo = cleanup(t)
  const namespace = await makeNamespace(undo)
  const cloud = await startCloud(undo, { namespace, args: ['--processes', '2'] })
  const { openstack, ask } = cloud
  const { call } = cloud.api
  const key = await makeKey(await scratch(undo))
  await openstack('keypair', 'create', '--public-key', `${key}.pub`, 'me')
  const images = await call<{ images: { id: string }[] }>('GET', '/image/v2/images?name=tiny')
  const networks = await call<{ networks: { id: string }[] }>('GET', '/network/v2.0/networks?name=private')
  const create = (name: string) =>
    call<{ server: Server }>('POST', '/compute/v2.1/servers', {
      server: {
        ...{ name, flavorRef: '1', imageRef: images.images[0]?.id, key_name: 'me' },
        networks: [{ uuid: networks.networks[0]?.id }],
      },
    }).then(({ server }) => server.id)
  const show = (id: string) => call<{ server: Server }>('GET', `/compute/v2.1/servers/${id}`).then((r) => r.server)
  const untilActive = (id: string) =>
    until('ACTIVE', async () => {
      const server = await show(id)
      if (server.status === 'ERROR') throw new Hopeless(server.fault?.message)
      return server.status === 'ACTIVE'
    })
  const ports = (id: string) => call<{ ports: { id: string }[] }>('GET', `/network/v2.0/ports?device_id=${id}`)

  const servers = ['server-1', 'server-2']
  // What dies, and when: as soon as the creation is accepted, or when the host has begun to work on it.
  const cases: { victims: string[]; when: 'accepted' | 'building' }[] = [
    { victims: servers, when: 'accepted' },
    { victims: ['agent'], when: 'accepted' },
    { victims: servers, when: 'building' },
    { victims: ['agent'], when: 'building' },
    { victims: [...servers, 'agent'], when: 'building' },
  ]
  for (const [index, { victims, when }] of cases.entries())
    await t.test(`${victims.join(', ')} while a guest is made (${when})`, async () => {
      const id = await create(`crash-${index}`)
      if (when === 'building')
        await until('the task is at the host', async () => {
          const { tasks } = await call<{ tasks: { step: string; state: string }[] }>(
            'GET',
            `/tasks?resource=server:${id}`,
          )
          return tasks.some(({ step }) => step === 'build')
        })
      const killed = victims.map((name) => ({ name, pid: kill(cloud, name) }))
      for (const { name, pid } of killed) await restarted(cloud, name, pid)
      await untilActive(id)
      assert.equal(qemuOf(id).length, 1, 'exactly one QEMU')
      assert.equal((await ports(id)).ports.length, 1, 'exactly one port')
      await call('DELETE', `/compute/v2.1/servers/${id}`)
      await until('it is gone', async () => (await cloud.api.send('GET', `/compute/v2.1/servers/${id}`)).status === 404)
      assert.deepEqual(qemuOf(id), [])
      assert.deepEqual((await ports(id)).ports, [])
    })

  await t.test('a running guest does not notice that servers and agent die, and is found again', async () => {
    const id = await create('survivor')
    await untilActive(id)
    const floating = await ask<{ floating_ip_address: string }>('floating', 'ip', 'create', 'public')
    const address = floating.floating_ip_address
    await openstack('server', 'add', 'floating', 'ip', 'survivor', address)
    const login = { namespace, key, address }
    await untilLogin(login)
    const before = qemuOf(id)
    const [command, args] = inNamespace(namespace, 'busybox', ['ping', '-i', '0.2', address])
    const ping = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const said = text(ping.stdout)
    const ended = once(ping, 'exit')
    undo(() => ping.kill('SIGKILL'))
    for (const name of [...servers, 'agent']) await restarted(cloud, name, kill(cloud, name))
    await until('the host is up', async () => {
      const { hypervisors } = await call<{ hypervisors: { state: string }[] }>('GET', '/compute/v2.1/os-hypervisors')
      return hypervisors.every(({ state }) => state === 'up')
    })
    // The agent is asked for something that only the guest's own process can tell.
    await until('the agent has found the guest again', () =>
      call<object>('GET', `/compute/v2.1/servers/${id}/diagnostics`),
    )
    assert.deepEqual(qemuOf(id), before)
    assert.equal((await show(id)).status, 'ACTIVE')
    await inGuest(login, 'true')
    ping.kill('SIGINT')
    await ended
    assert.match(await said, / 0% packet loss/)
    await openstack('server', 'delete', '--wait', 'survivor')
    assert.deepEqual(qemuOf(id), [])
  })
})
