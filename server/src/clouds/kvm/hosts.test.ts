import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { machineSpec } from '../testing.ts'
import { agentFacts, agentKey, imageAuthorization } from './agent.testing.ts'
import { images, kvmWorld } from './rig.testing.ts'

const signal = new AbortController().signal

test('a host gets the images of its machines, and no others', async (t) => {
  const made = await kvmWorld(t)
  const [host, other] = [await made.host('h1'), await made.host('h2')]
  const [own, foreign] = [newId(), newId()]
  const bytes = randomBytes(300_000)
  images.set(own, bytes).set(foreign, bytes)
  t.after(() => images.clear())
  const image = { imageId: own, format: 'raw' as const, sizeBytes: bytes.length, sha512: '' }
  const spec = machineSpec({ disks: [{ id: 'root', role: 'root', sizeMb: 0, image, serial: 0 }] })
  await made.process.cloud.drivers.compute.ensureMachine('h1', spec, signal)

  const get = (id: string, authorization?: string) =>
    fetch(`${made.process.url}/agent/v1/images/${id}`, { headers: authorization ? { authorization } : {} })
  const path = `/agent/v1/images/${own}`
  const good = await get(own, imageAuthorization(host, path))
  assert.deepEqual([good.status, good.headers.get('content-length')], [200, String(bytes.length)])
  assert.ok(Buffer.from(await good.arrayBuffer()).equals(bytes))

  const refused = [
    undefined,
    'Bearer x',
    imageAuthorization(host, `/agent/v1/images/${foreign}`), // signed for something else
    imageAuthorization({ ...host, key: agentKey() }, path),
    imageAuthorization({ ...host, hostId: newId() }, path),
    imageAuthorization(host, path, Date.now() - 120_000),
    imageAuthorization(host, path, Date.now() + 120_000),
  ]
  for (const authorization of refused) assert.equal((await get(own, authorization)).status, 401)
  assert.equal((await get(own, imageAuthorization(other, path))).status, 404)
  assert.equal((await get(foreign, imageAuthorization(host, `/agent/v1/images/${foreign}`))).status, 404)
  assert.equal((await get('x', imageAuthorization(host, '/agent/v1/images/x'))).status, 404)
})

test('an administrator sees the hosts; others do not', async (t) => {
  const made = await kvmWorld(t)
  const [there] = [await made.host('there'), await made.host('never')]
  await there.connect()
  await made.reports.until('it', () => made.reports.hosts.has('there'))
  const { json } = await made.process.request('GET', '/agent/v1/hosts')
  const shown = json.hosts.map((host: Record<string, unknown>) => [host['name'], host['state'], host['machines']])
  assert.deepEqual(shown, [
    ['never', 'never seen', 0],
    ['there', 'connected', 0],
  ])
  const member = { 'x-auth-token': 'member' }
  assert.equal((await made.process.request('GET', '/agent/v1/hosts', undefined, member)).status, 403)
  assert.equal((await made.process.request('DELETE', '/agent/v1/hosts/there', undefined, member)).status, 403)
  there.send({ type: 'heartbeat', load: 0.5, freeMemoryMb: 100, freeDiskGb: 5 })
  await made.reports.until('its life', () => made.reports.counts.hostsAlive > 0)
})

test('a host is removed when no machine should be there, and is a stranger from then on', async (t) => {
  const made = await kvmWorld(t)
  const { request } = made.process
  const { compute } = made.process.cloud.drivers
  const host = await made.host('h1')
  await host.connect()
  const spec = machineSpec()
  await compute.ensureMachine('h1', spec, signal)
  const refused = await request('DELETE', '/agent/v1/hosts/h1')
  assert.deepEqual([refused.status, refused.json.error.message], [409, 'A machine is on host h1: remove them first.'])
  await host.disconnect()
  await made.untilAway(host.hostId)
  assert.equal(await compute.ensureNoMachine(spec.id, 'h1', signal), 'working')
  // the machine is still the plan of compute
  made.reports.placed.set('h1', [newId()])
  assert.equal((await request('DELETE', '/agent/v1/hosts/h1')).status, 409)
  made.reports.placed.clear()
  assert.equal((await request('DELETE', '/agent/v1/hosts/h1')).status, 204)
  assert.equal(await compute.ensureNoMachine(spec.id, 'h1', signal), 'gone')
  await assert.rejects(host.connect(), /1008 unknown host/)
  assert.equal((await request('DELETE', '/agent/v1/hosts/h1')).status, 404)
})

test('a connected host that is removed loses its connection', async (t) => {
  const made = await kvmWorld(t)
  const at = await made.secondProcess()
  const host = await made.host('h1', at)
  await host.connect()
  const closed = host.closed()
  assert.equal((await made.process.request('DELETE', '/agent/v1/hosts/h1')).status, 204)
  await closed
})

test('a host whose server process was killed is away when its lease is over', async (t) => {
  const made = await kvmWorld(t)
  await made.host('h1')
  const { compute, network } = made.process.cloud.drivers
  // what a killed process leaves behind: a session that nobody closed
  const lastHeard = (secondsAgo: number) =>
    made.world.db.transaction((tx) =>
      tx.rows(sql`
        update kvm_host set session = ${newId()}, facts = ${JSON.stringify(agentFacts('h1'))}::text::jsonb,
          last_seen = now() - ${secondsAgo} * interval '1 second'`),
    )
  const seen = async () => {
    const { json } = await made.process.request('GET', '/agent/v1/hosts')
    const { doing } = await compute.ensureMachine('h1', machineSpec(), signal)
    return [json.hosts[0].state, (await network.routerHosts()).length, doing]
  }
  await lastHeard(5)
  assert.deepEqual(await seen(), ['connected', 1, 'sent to the host'])
  await lastHeard(16)
  assert.deepEqual(await seen(), ['away', 0, 'waiting for host h1, which is not connected'])
})
