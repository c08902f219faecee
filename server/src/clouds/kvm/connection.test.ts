import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { helloText, type MachineStatus } from '@pileus/contract/agent.ts'
import { WebSocket } from 'ws'
import { newId } from '#lib/id.ts'
import { atEnd, emptyNetwork, machineSpec, networkSpec, portSpec, wakeBell } from '../testing.ts'
import { agentFacts, agentKey, join, scriptedAgent } from './agent.testing.ts'
import { kvmWorld, type TestProcess } from './rig.testing.ts'

const signal = new AbortController().signal
const running: MachineStatus = { power: 'running', ready: true, restartSerial: 0, doing: '', error: null }

/** A WebSocket with nobody behind it that knows the protocol. */
async function rawSocket(t: TestContext, { url }: TestProcess) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/agent/v1/connect`)
  atEnd(t, async () => socket.terminate())
  const closed = once(socket, 'close') as Promise<[number, Buffer]>
  const [data] = (await once(socket, 'message')) as [Buffer]
  const challenge = JSON.parse(data.toString()) as { type: string; nonce: string }
  assert.equal(challenge.type, 'challenge')
  return {
    challenge,
    send: (frame: object) => socket.send(JSON.stringify(frame)),
    sendText: (text: string) => socket.send(text),
    closed: closed.then(([code, reason]) => `${code} ${reason.toString()}`),
  }
}

test('whoever does not prove to be a host hears nothing', async (t) => {
  const made = await kvmWorld(t)
  const host = await made.host('h1')
  const hello = (nonce: string, changes: object = {}) => ({
    type: 'hello',
    protocol: 1,
    hostId: host.hostId,
    nonce: 'mine',
    signature: sign(null, Buffer.from(helloText(host.hostId, nonce, 'mine')), host.key).toString('base64url'),
    ...changes,
  })
  const refusals: [(nonce: string) => object, RegExp][] = [
    [(nonce) => hello(nonce, { signature: 'AAAA' }), /1008 unknown host, or not its signature/],
    [() => hello('another nonce'), /1008 unknown host, or not its signature/], // recorded from another connection
    [(nonce) => hello(nonce, { hostId: newId() }), /1008 unknown host, or not its signature/],
    [(nonce) => hello(nonce, { hostId: 'x' }), /1008 unknown host, or not its signature/],
    [(nonce) => hello(nonce, { protocol: 99 }), /1008 .*version 1/],
    [() => ({ type: 'heartbeat', load: 1, freeMemoryMb: 1, freeDiskGb: 1 }), /1008 a greeting was expected/],
    [() => ({ type: 'nonsense' }), /1008 there is no frame/],
  ]
  for (const [frame, refusal] of refusals) {
    const socket = await rawSocket(t, made.process)
    socket.send(frame(socket.challenge.nonce))
    assert.match(await socket.closed, refusal)
  }
  const socket = await rawSocket(t, made.process)
  socket.sendText('{')
  assert.match(await socket.closed, /1008 the frame is not JSON/)
  await host.connect()
})

test('a stranger who sends much is cut off before all of it has arrived', async (t) => {
  const made = await kvmWorld(t)
  const host = await made.host('h1')
  const socket = await rawSocket(t, made.process)
  socket.sendText(JSON.stringify({ type: 'hello', padding: 'x'.repeat(1024 * 1024) }))
  assert.match(await socket.closed, /^1006 /)
  await host.connect()
})

test('of strangers who say nothing only so many are waited for', async (t) => {
  const made = await kvmWorld(t)
  const host = await made.host('h1')
  const first = await rawSocket(t, made.process)
  for (let i = 0; i < 256; i++) await rawSocket(t, made.process)
  // on a slow machine its time to greet may be over before the others have all come
  assert.match(await first.closed, /^(1006 |1008 no greeting)/)
  await host.connect()
})

test('facts that no table could hold are no facts', async (t) => {
  const made = await kvmWorld(t)
  const host = await made.host('h1')
  await host.connect()
  await made.reports.until('the facts', () => made.reports.hosts.has('h1'))
  const closed = host.closed().then(() => 'closed')
  for (const wrong of [{ vcpus: -1 }, { memoryMb: 2 ** 31 }, { diskGb: 1e300 }])
    host.send({ type: 'facts', facts: { ...agentFacts('h1'), ...wrong } })
  host.send({ type: 'facts', facts: { ...agentFacts('h1'), vcpus: 5 } })
  const seen = made.reports.until('the new facts', () => made.reports.hosts.get('h1')?.vcpus === 5)
  assert.equal(await Promise.race([closed, seen.then(() => 'taken')]), 'taken')
  assert.deepEqual(made.reports.hosts.get('h1')?.memoryMb, agentFacts('h1').memoryMb)
})

test('an agent knows the server again, and no other one', async (t) => {
  const [own, other] = [await kvmWorld(t), await kvmWorld(t)]
  const elsewhere = await join(own.process.url, await own.token(), 'h1', agentKey())
  const key = agentKey()
  const { hostId } = await join(other.process.url, await other.token(), 'h1', key)
  const joined = { ...elsewhere, hostId }
  const misled = scriptedAgent({ url: other.process.url, name: 'h1', key, joined, script: other.script })
  await assert.rejects(misled.connect(), /not the server that this host joined/)
})

test('other paths do not become WebSockets', async (t) => {
  const { process } = await kvmWorld(t)
  const socket = new WebSocket(`${process.url.replace('http', 'ws')}/agent/v1/other`)
  await assert.rejects(once(socket, 'open'))
})

test('after a reconnect the host is told everything that was wished meanwhile', async (t) => {
  const made = await kvmWorld(t)
  const { compute } = made.process.cloud.drivers
  const host = await made.host('h1')
  await host.connect()
  const [kept, changed, added] = [machineSpec(), machineSpec(), machineSpec()]
  await compute.ensureMachine('h1', kept, signal)
  await compute.ensureMachine('h1', changed, signal)
  await made.reports.until('both', () => made.reports.machines.filter(({ status }) => status.ready).length === 2)
  await host.disconnect()
  await made.untilAway(host.hostId)
  await compute.ensureMachine('h1', { ...changed, power: 'paused' }, signal)
  await compute.ensureMachine('h1', added, signal)
  await host.connect()
  await made.reports.until('the new one', () =>
    made.reports.machines.some(({ id, status }) => id === added.id && status.ready),
  )
  const powers = Object.fromEntries([...host.machines].map(([id, { power }]) => [id, power]))
  assert.deepEqual(powers, { [kept.id]: 'running', [changed.id]: 'paused', [added.id]: 'running' })
  assert.equal(host.machines.get(kept.id)?.incarnation, 1)
})

test('a server that starts again knows what was wished and reported', async (t) => {
  const made = await kvmWorld(t)
  const host = await made.host('h1')
  await host.connect()
  const spec = machineSpec()
  await made.process.cloud.drivers.compute.ensureMachine('h1', spec, signal)
  await made.reports.until('it', () => made.reports.machines.some(({ status }) => status.ready))
  const closed = host.closed()
  await made.process.stop()
  await closed
  const second = await made.secondProcess()
  await host.connect(second.url)
  assert.equal((await second.cloud.drivers.compute.ensureMachine('h1', spec, signal)).ready, true)
  assert.equal(host.machines.get(spec.id)?.incarnation, 1)
})

for (const where of ['the same process', 'another process'] as const) {
  test(`a second connection of a host takes the place of the first (at ${where})`, async (t) => {
    const made = await kvmWorld(t)
    const host = await made.host('h1')
    await host.connect()
    const closed = host.closed()
    const at = where === 'the same process' ? made.process : await made.secondProcess()
    await host.connect(at.url)
    await closed
    const spec = machineSpec()
    await made.process.cloud.drivers.compute.ensureMachine('h1', spec, signal)
    await made.reports.until('it', () => made.reports.machines.some(({ status }) => status.ready))
    const { json } = await made.process.request('GET', '/agent/v1/hosts')
    assert.equal(json.hosts[0].state, 'connected')
  })
}

test('a host that lies can only lie about itself', async (t) => {
  const made = await kvmWorld(t)
  const { compute } = made.process.cloud.drivers
  const [honest, liar] = [await made.host('honest'), await made.host('liar')]
  await honest.connect()
  await liar.connect()
  await made.reports.until('both', () => made.reports.hosts.size === 2)
  const spec = machineSpec()
  await compute.ensureMachine('honest', spec, signal)
  await made.reports.until('it', () => made.reports.machines.some(({ status }) => status.ready))
  const before = made.reports.machines.length

  const crashed: MachineStatus = { ...running, power: 'crashed', ready: false }
  liar.send({
    type: 'report',
    complete: false,
    objects: [{ kind: 'machine', id: spec.id, generation: 9e15, status: crashed }],
  })
  liar.send({ type: 'facts', facts: { ...agentFacts('honest'), vcpus: 4000 } })
  await made.reports.until('the facts', () => made.reports.hosts.get('liar')?.vcpus === 4000)
  assert.equal(made.reports.hosts.get('honest')?.vcpus, 4)
  assert.equal(made.reports.machines.length, before)
  assert.equal((await compute.ensureMachine('honest', spec, signal)).ready, true)
  // and what is no frame is passed over
  liar.send({ type: 'report', complete: false, objects: [{ kind: 'machine', id: 1 }] } as never)
  liar.send({ type: 'heartbeat', load: 'high' } as never)
  liar.send({ type: 'facts', facts: { ...agentFacts('liar'), vcpus: 5 } })
  await made.reports.until('the new facts', () => made.reports.hosts.get('liar')?.vcpus === 5)
})

test('machines that nobody wishes for are shown and left alone', async (t) => {
  const made = await kvmWorld(t)
  const host = await made.host('h1')
  const [strange, placed] = [newId(), newId()]
  made.reports.placed.set('h1', [placed])
  await host.connect()
  const objects = [strange, placed].map((id) => ({ kind: 'machine' as const, id, generation: 1, status: running }))
  host.send({ type: 'report', complete: true, objects })
  host.send({ type: 'facts', facts: { ...agentFacts('h1'), vcpus: 5 } })
  await made.reports.until('the facts', () => made.reports.hosts.get('h1')?.vcpus === 5)
  const { json } = await made.process.request('GET', '/agent/v1/hosts')
  assert.deepEqual(json.hosts[0].leftovers, [strange])
  assert.equal(made.reports.machines.length, 0)
})

test('what should vanish and is not in a complete report has vanished', async (t) => {
  const made = await kvmWorld(t)
  const { compute } = made.process.cloud.drivers
  const host = await made.host('h1')
  await host.connect()
  const spec = machineSpec()
  await compute.ensureMachine('h1', spec, signal)
  await made.reports.until('it', () => made.reports.machines.some(({ status }) => status.ready))
  await host.disconnect()
  await made.untilAway(host.hostId)
  assert.equal(await compute.ensureNoMachine(spec.id, 'h1', signal), 'working')
  // the host has lost its disk: the same key, and nothing else
  const bell = wakeBell(t, made.world.db)
  await bell.sleeper(spec.id)
  const empty = await blankAgent(t, made.process.url, host)
  empty.send({ type: 'report', complete: true, objects: [] })
  await bell.wakened(spec.id, 0)
  assert.equal(await compute.ensureNoMachine(spec.id, 'h1', signal), 'gone')
})

/** Greets, and then says only what it is told to say. */
async function blankAgent(
  t: TestContext,
  url: string,
  { key, hostId }: { key: ReturnType<typeof agentKey>; hostId: string },
) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/agent/v1/connect`)
  atEnd(t, async () => socket.terminate())
  const desired = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { type: string; nonce: string }
      if (frame.type === 'desired') resolve()
      if (frame.type !== 'challenge') return
      const signature = sign(null, Buffer.from(helloText(hostId, frame.nonce, 'mine')), key).toString('base64url')
      socket.send(JSON.stringify({ type: 'hello', protocol: 1, hostId, nonce: 'mine', signature }))
    })
  })
  await desired
  return { send: (frame: object) => socket.send(JSON.stringify(frame)) }
}

test('the network document is a new generation when it means something else, and only then', async (t) => {
  const made = await kvmWorld(t)
  const { network } = made.process.cloud.drivers
  const host = await made.host('h1')
  await host.connect()
  const [a, b] = [portSpec(newId()), portSpec(newId())]
  const describe = (ports: (typeof a)[]) =>
    made.reports.networks.set('h1', { ...emptyNetwork(), networks: [networkSpec()], ports })
  const wiredAre = (ports: (typeof a)[]) => {
    const wanted = ports
      .map(({ id }) => id)
      .toSorted()
      .join()
    return made.reports.until('ports', () => made.reports.wired.get('h1')?.toSorted().join() === wanted)
  }
  describe([a, b])
  network.hostsChanged(['h1'])
  await wiredAre([a, b])
  const { generation } = host.network() ?? {}
  // the empty one of the beginning may or may not have been sent before that of two ports
  const documents = host.documents()
  const described = made.reports.counts.described
  describe([b, a])
  network.hostsChanged(['h1', 'elsewhere'])
  await made.reports.until('the description', () => made.reports.counts.described > described)
  describe([b])
  network.hostsChanged(['h1'])
  await wiredAre([b])
  assert.ok((host.network()?.generation ?? 0) > (generation ?? 0))
  assert.equal(host.documents(), documents + 1, 'the other order of the same ports is no news')
})

test('a console that the agent refuses to show says why', async (t) => {
  const made = await kvmWorld(t)
  const { compute } = made.process.cloud.drivers
  const host = await made.host('h1')
  await host.connect()
  const spec = machineSpec()
  made.script.held.add(spec.id)
  await compute.ensureMachine('h1', spec, signal)
  await assert.rejects(compute.consoleOutput(spec.id, 'h1', null), /There is no such machine here/)
})
