import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Config } from '#lib/config.ts'
import { conformance } from '../conformance.ts'
import type { Rig } from '../conformance-rig.ts'
import { atEnd, machineSpec, openWorld, recorder, testWorld } from '../testing.ts'
import { simCloud } from './index.ts'
import { hostName } from './hosts.ts'
import type { FastifyInstance } from 'fastify'

const noServer = undefined as unknown as FastifyInstance
const signal = new AbortController().signal

async function simRig(t: Pick<TestContext, 'after'>, settings: Partial<Config> = {}) {
  const world = await testWorld(t, { simHosts: 3, ...settings })
  const reports = recorder()
  const cloud = simCloud(world, reports)
  await cloud.start(noServer)
  atEnd(t, () => cloud.close())
  const rig: Rig = {
    world,
    drivers: cloud.drivers,
    reports,
    hosts: [hostName(1), hostName(2)],
    hostAway: cloud.failures.hostDown,
    guestEnds: cloud.guestEnds,
    hold: cloud.failures.hold,
    refuse: async (id, sentence) => cloud.failures.refuse(id, sentence),
    machines: async () => (await cloud.machines()).map(({ id }) => id),
    async incarnation(id) {
      const machine = (await cloud.machines()).find((each) => each.id === id)
      return `${machine?.startedAt.toISOString()}/${machine?.restartSerial}`
    },
  }
  return { rig, cloud, world, reports }
}

conformance('sim', async (t) => (await simRig(t)).rig)
conformance('sim that takes its time', async (t) => (await simRig(t, { simLatencyMs: 5 })).rig)

test('without latency a machine is ready at once', async (t) => {
  const { cloud } = await simRig(t)
  assert.equal((await cloud.drivers.compute.ensureMachine(hostName(1), machineSpec(), signal)).ready, true)
})

test('a call fails once, where it was told to', async (t) => {
  const { cloud } = await simRig(t)
  const ensure = () => cloud.drivers.compute.ensureMachine(hostName(1), machineSpec(), signal)
  cloud.failures.failCall(1)
  await ensure()
  await assert.rejects(ensure(), /simulated failure/)
  await ensure()
  assert.equal(cloud.failures.calls, 3)
})

test('the hosts of one region are announced once by many processes, and the machines are the same for all', async (t) => {
  const { rig, world, reports, cloud } = await simRig(t, { simHosts: 1000 })
  const others = await Promise.all(
    [1, 2, 3].map(async () => {
      const other = simCloud(openWorld(t, world.url, world.config), reports)
      await other.start(noServer)
      atEnd(t, () => other.close())
      return other
    }),
  )
  assert.deepEqual([reports.counts.hostsSeen, reports.hosts.size], [1, 1000])
  const spec = machineSpec()
  await cloud.drivers.compute.ensureMachine(hostName(1000), spec, signal)
  const before = await rig.incarnation(spec.id)
  for (const other of others)
    assert.equal((await other.drivers.compute.ensureMachine(hostName(1000), spec, signal)).ready, true)
  assert.equal(await rig.incarnation(spec.id), before)
  assert.equal(await others[0]!.drivers.compute.ensureNoMachine(spec.id, null, signal), 'gone')
  assert.deepEqual(await cloud.machines(), [])
})

test('the console says that it is simulated', async (t) => {
  const { cloud } = await simRig(t)
  const spec = machineSpec()
  await cloud.drivers.compute.ensureMachine(hostName(1), spec, signal)
  assert.match(await cloud.drivers.compute.consoleOutput(spec.id, hostName(1), null), /simulated by Pileus/)
})
