import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { AgentFrame, HostFacts, ReportedObject, ServerFrame } from '@pileus/contract/agent.ts'
import { pino } from 'pino'
import { CallError } from './calls.ts'
import { connect, type ConnectionOptions } from './connection.ts'
import { ensureJoined } from './join.ts'
import { loadKey } from './keys.ts'
import { testServer } from './server.testing.ts'

const log = pino({ level: 'silent' })
const facts: HostFacts = {
  name: 'h1',
  vcpus: 2,
  memoryMb: 2048,
  diskGb: 10,
  architecture: 'x86_64',
  cpuModel: 'any',
  hypervisor: 'tcg',
  hypervisorVersion: 7002022,
  tunnelAddress: '127.0.0.1',
  physicalNetworks: [],
  traits: [],
  agentVersion: '0.1.0',
}
const isReport = (frame: AgentFrame) => frame.type === 'report'
const isResult = (frame: AgentFrame) => frame.type === 'result'
const isFacts = (frame: AgentFrame) => frame.type === 'facts'
const isHeartbeat = (frame: AgentFrame) => frame.type === 'heartbeat'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pileus-agent-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

async function host(t: TestContext, leaseSeconds?: number, more: Partial<ConnectionOptions> = {}) {
  const server = await testServer(leaseSeconds)
  t.after(() => server.close())
  const dataDir = await folder(t)
  const key = await loadKey(dataDir)
  const membership = await ensureJoined({ dataDir, server: server.url, token: server.token, name: 'h1', key })
  const obeyed: ServerFrame[] = []
  const all: ReportedObject[] = []
  const start = () => {
    const connection = connect({
      membership,
      key,
      facts,
      answers: {
        'machine.console': async ({ machineId, lines }) => ({ output: `${machineId} ${lines}` }),
        'machine.diagnostics': async () => {
          throw new CallError('The machine does not run.')
        },
      },
      obey: async (desired) => void obeyed.push(desired),
      reportAll: () => all,
      pulse: async () => ({ load: 0.5, freeMemoryMb: 100, freeDiskGb: 5 }),
      log,
      ...more,
    })
    t.after(() => connection.close())
    return connection
  }
  return { server, start, obeyed, all, dataDir, key }
}

test('joining proves the secret both ways and is done once', async (t) => {
  const server = await testServer()
  t.after(() => server.close())
  const dataDir = await folder(t)
  const key = await loadKey(dataDir)
  const at = { dataDir, server: server.url, name: 'h1', key }
  await assert.rejects(ensureJoined({ ...at, token: null }), /--join/)
  await assert.rejects(ensureJoined({ ...at, token: 'token-1.wrong' }), /refused this host \(401\)/)
  const first = await ensureJoined({ ...at, token: server.token })
  assert.deepEqual(await ensureJoined({ ...at, server: null, token: null }), first)
  assert.equal((await stat(join(dataDir, 'agent.key'))).mode & 0o777, 0o600)
  assert.match(await readFile(join(dataDir, 'agent.json'), 'utf8'), /serverKey/)
})

test('after the greeting: facts, wishes, a complete report, answers', async (t) => {
  const { server, start, obeyed, all } = await host(t)
  const status = { power: 'running', ready: true, restartSerial: 0, doing: '', error: null } as const
  all.push({ kind: 'machine', id: 'm1', generation: 3, status })
  const connection = start()
  const line = await server.connection()
  assert.deepEqual(await line.next(), { type: 'facts', facts })
  line.sendText('{"type":"desired","complete":1}') // refused, not fatal
  line.send({ type: 'desired', complete: true, objects: [] })
  assert.deepEqual(await line.next(), { type: 'report', complete: true, objects: all })
  assert.equal(obeyed.length, 1)
  connection.report(all)
  assert.deepEqual(await line.until(isReport), { type: 'report', complete: false, objects: all })
  line.send({ type: 'call', id: 7, method: 'machine.console', params: { machineId: 'm1', lines: null } })
  assert.deepEqual(await line.until(isResult), { type: 'result', id: 7, value: { output: 'm1 null' } })
  line.send({ type: 'call', id: 8, method: 'machine.diagnostics', params: { machineId: 'm1' } })
  assert.deepEqual(await line.until(isResult), { type: 'result', id: 8, error: 'The machine does not run.' })
  line.send({ type: 'call', id: 9, method: 'machine.explode', params: {} })
  assert.match((await line.until(isResult)).error ?? '', /does not know the call machine.explode/)
  line.send({ type: 'call', id: 10, method: 'machine.console', params: { machineId: 5 } })
  assert.match((await line.until(isResult)).error ?? '', /machine.console: /)
})

test('heartbeats come by themselves, well within the lease', async (t) => {
  const { server, start } = await host(t, 1)
  start()
  const line = await server.connection()
  assert.deepEqual(await line.until(isHeartbeat), { type: 'heartbeat', load: 0.5, freeMemoryMb: 100, freeDiskGb: 5 })
})

test('a lost connection is made again', async (t) => {
  const { server, start } = await host(t)
  start()
  const first = await server.connection()
  await first.until(isFacts)
  first.drop()
  const second = await server.connection()
  await second.until(isFacts)
})

test('wishes that cannot be kept are refused ever more slowly, and it is said once', async (t) => {
  const said: { level: number; waitMs?: number; why?: string }[] = []
  const recording = pino({ level: 'debug' }, { write: (line) => void said.push(JSON.parse(line) as (typeof said)[0]) })
  let isFull = true
  const obey = async () => {
    if (isFull) throw new Error('ENOSPC: no space left on device, write')
  }
  const { server, start } = await host(t, undefined, { obey, log: recording })
  start()
  for (let i = 0; i < 4; i++) {
    const line = await server.connection()
    line.send({ type: 'desired', complete: true, objects: [] })
    await line.closed
  }
  isFull = false
  const line = await server.connection()
  line.send({ type: 'desired', complete: true, objects: [] })
  await line.until(isReport)
  const refusals = said.filter(({ why }) => why === 'the wishes could not be taken over')
  assert.deepEqual(
    refusals.map(({ level }) => level),
    [50, 20, 20, 20],
  )
  // half of a delay is chance, and the third one is four times the first
  assert.ok((refusals[2]?.waitMs ?? 0) >= 400, JSON.stringify(refusals))
})

test('a large document of wishes arrives whole', async (t) => {
  const { server, start, obeyed } = await host(t)
  start()
  const line = await server.connection()
  const remote = Array.from({ length: 60_000 }, (_, i) => ({
    mac: `fa:16:3e:00:00:${i}`,
    addresses: [`10.0.${i >> 8}.${i & 255}`],
    tunnelAddress: '192.0.2.1',
  }))
  const network = {
    id: 'n1',
    kind: 'vxlan',
    segment: 1,
    physical: '',
    mtu: 1450,
    dhcpMac: '',
    domain: '',
    subnets: [],
    remote,
  }
  const spec = { networks: [network], ports: [], routers: [], groups: {} }
  line.send({ type: 'desired', complete: true, objects: [{ kind: 'network', id: 'host', generation: 1, spec }] })
  await line.until(isReport)
  assert.equal(obeyed.length, 1)
})

test('a server with another key is not obeyed', async (t) => {
  const { server, start, obeyed } = await host(t)
  server.useAnotherKey()
  start()
  const line = await server.connection()
  line.send({ type: 'desired', complete: true, objects: [] })
  await line.closed
  const again = await server.connection() // it keeps trying
  await again.closed
  assert.deepEqual(obeyed, [])
})
