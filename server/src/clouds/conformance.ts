// What every cloud owes to compute and network, as tests. A cloud hands over a rig: itself, and a hand on its data plane.
import assert from 'node:assert/strict'
import { after, before, describe, test, type TestContext } from 'node:test'
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { Fault } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { CloudWorld } from './cloud.ts'
import { type Drivers, machineSpec, networkSpec, portSpec, type Recorder, wakeBell } from './testing.ts'

export interface Rig {
  world: CloudWorld
  drivers: Drivers
  reports: Recorder
  /** Two hosts that are there and connected. */
  hosts: readonly [string, string]
  hostAway(host: string, away: boolean): Promise<void>
  /** The guest ends by itself. */
  guestEnds(machineId: string, power: 'shutdown' | 'crashed'): Promise<void>
  /** The machine does not get ready until it is released. */
  hold(machineId: string, held: boolean): Promise<void>
  /** The data plane cannot start it, and says why; null: it can again. */
  refuse(machineId: string, sentence: string | null): Promise<void>
  /** Ids of all machines in the data plane itself. */
  machines(): Promise<string[]>
  /** What differs after each start of the guest. */
  incarnation(machineId: string): Promise<string>
}

const signal = new AbortController().signal

export type Scope = Pick<TestContext, 'after'>

/** Registers the tests under the cloud's name. They share one rig, so each one speaks of its own machines only. */
export function conformance(cloud: string, makeRig: (scope: Scope) => Promise<Rig>): void {
  void describe(cloud, () => {
    const ends: (() => unknown)[] = []
    let shared: Rig | undefined
    before(async () => {
      // of a hook's function only the promise counts: the callback of `after` is ours to call
      const scope: Scope = { after: (end) => void (end && ends.push(end as () => unknown)) }
      shared = await makeRig(scope)
    })
    after(async () => {
      for (const end of ends) await end()
    })
    promises((sentence, hold) => {
      void test(sentence, { timeout: 60_000 }, async (t) => {
        const rig = shared ?? assert.fail('there is no cloud to test')
        await hold(rig, readiness(t, rig), t)
      })
    })
  })
}

type Hold = (rig: Rig, ready: Ready, t: TestContext) => Promise<void>

/** Which of these machines there are in the data plane. */
async function there(rig: Rig, ...specs: MachineSpec[]): Promise<string[]> {
  const all = new Set(await rig.machines())
  return specs.map(({ id }) => id).filter((id) => all.has(id))
}

function promises(promise: (sentence: string, hold: Hold) => void): void {
  promise('announces its hosts with what they have', async ({ reports, hosts }) => {
    for (const host of hosts) {
      const facts = reports.hosts.get(host)
      assert.ok(facts && facts.vcpus > 0 && facts.memoryMb > 0 && facts.diskGb > 0)
    }
  })

  promise('makes a machine once, however often it is asked to', async (rig, ready) => {
    const spec = machineSpec()
    assert.deepEqual(await ready(rig.hosts[0], spec), {
      power: 'running',
      ready: true,
      restartSerial: 0,
      doing: '',
      error: null,
    })
    const first = await rig.incarnation(spec.id)
    for (let i = 0; i < 3; i++)
      assert.equal((await rig.drivers.compute.ensureMachine(rig.hosts[0], spec, signal)).ready, true)
    assert.deepEqual(
      [(await rig.machines()).filter((id) => id === spec.id), await rig.incarnation(spec.id)],
      [[spec.id], first],
    )
  })

  promise('makes many machines that are asked for at once', async (rig, ready) => {
    const specs = Array.from({ length: 20 }, () => machineSpec())
    await Promise.all(specs.map((spec, i) => ready(rig.hosts[i % 2]!, spec)))
    assert.equal((await there(rig, ...specs)).length, specs.length)
  })

  promise('changes the power of a machine', async (rig, ready) => {
    const spec = machineSpec()
    for (const power of ['running', 'paused', 'running', 'suspended', 'running', 'shutdown', 'running'] as const)
      assert.equal((await ready(rig.hosts[0], { ...spec, power })).power, power)
  })

  promise('restarts when the serial was raised, and then not again', async (rig, ready) => {
    const spec = machineSpec()
    await ready(rig.hosts[0], spec)
    const before = await rig.incarnation(spec.id)
    const restarted = { ...spec, restart: { serial: 1, hard: true } }
    assert.equal((await ready(rig.hosts[0], restarted)).restartSerial, 1)
    const after = await rig.incarnation(spec.id)
    assert.notEqual(after, before)
    await ready(rig.hosts[0], restarted)
    assert.equal(await rig.incarnation(spec.id), after)
  })

  promise('is not ready before the machine is, and says so when it is', async (rig, ready) => {
    const [slow, quick] = [machineSpec(), machineSpec()]
    await rig.hold(slow.id, true)
    const status = await rig.drivers.compute.ensureMachine(rig.hosts[0], slow, signal)
    assert.equal(status.ready, false)
    assert.notEqual(status.doing, '')
    await ready(rig.hosts[0], quick)
    const [readySlow] = await Promise.all([ready(rig.hosts[0], slow), rig.hold(slow.id, false)])
    assert.equal(readySlow.power, 'running')
  })

  promise('knows no machine that never was', async (rig) => {
    assert.equal(await rig.drivers.compute.ensureNoMachine(newId(), null, signal), 'gone')
    assert.equal(await rig.drivers.compute.ensureNoMachine(newId(), rig.hosts[0], signal), 'gone')
    await rejectsWith('notFound', rig.drivers.compute.consoleOutput(newId(), rig.hosts[0], null))
    await rejectsWith('notFound', rig.drivers.compute.diagnostics(newId(), rig.hosts[0]))
  })

  promise('leaves nothing of a machine that was removed', async (rig, ready) => {
    const [kept, removed] = [machineSpec(), machineSpec()]
    await ready(rig.hosts[0], kept)
    await ready(rig.hosts[0], removed)
    await ready.gone(removed.id, rig.hosts[0])
    assert.deepEqual(await there(rig, kept, removed), [kept.id])
    await ready.gone(kept.id, null) // by whoever forgot where it was
    assert.deepEqual(await there(rig, kept, removed), [])
    assert.equal(await rig.drivers.compute.ensureNoMachine(kept.id, rig.hosts[0], signal), 'gone')
  })

  promise('lists the machines that are wished for, old ones alone when asked', async (rig, ready) => {
    const { compute } = rig.drivers
    const [kept, removed] = [machineSpec(), machineSpec()]
    await ready(rig.hosts[0], kept)
    await ready(rig.hosts[1], removed)
    await ready.gone(removed.id, rig.hosts[1])
    const listed = await compute.listMachines(0)
    assert.deepEqual([listed.includes(kept.id), listed.includes(removed.id)], [true, false])
    assert.ok(!(await compute.listMachines(3_600_000)).includes(kept.id))
  })

  promise('makes a machine anew after it was removed', async (rig, ready) => {
    const spec = machineSpec()
    await ready(rig.hosts[0], spec)
    await ready.gone(spec.id, rig.hosts[0])
    await ready(rig.hosts[0], spec)
    assert.deepEqual(await there(rig, spec), [spec.id])
  })

  promise('removes a machine that never got ready', async (rig, ready) => {
    const spec = machineSpec()
    await rig.hold(spec.id, true)
    await rig.drivers.compute.ensureMachine(rig.hosts[0], spec, signal)
    await ready.gone(spec.id, rig.hosts[0])
    assert.deepEqual(await there(rig, spec), [])
  })

  promise('waits for a host that is away, and says for which', async (rig, ready) => {
    const [away, there] = rig.hosts
    await rig.hostAway(away, true)
    const spec = machineSpec()
    const status = await rig.drivers.compute.ensureMachine(away, spec, signal)
    assert.equal(status.ready, false)
    assert.ok(status.doing.includes(away), status.doing)
    await ready(there, machineSpec())
    await Promise.all([ready(away, spec), rig.hostAway(away, false)])
  })

  promise('keeps the wish to remove while the host is away', async (rig, ready) => {
    const [host] = rig.hosts
    const spec = machineSpec()
    await ready(host, spec)
    await rig.hostAway(host, true)
    assert.equal(await rig.drivers.compute.ensureNoMachine(spec.id, host, signal), 'working')
    await Promise.all([ready.gone(spec.id, host), rig.hostAway(host, false)])
    assert.deepEqual(await there(rig, spec), [])
  })

  for (const power of ['shutdown', 'crashed'] as const) {
    promise(`tells of a guest that ended by itself (${power}), and starts it again when asked`, async (rig, ready) => {
      const spec = machineSpec()
      await ready(rig.hosts[0], spec)
      const before = await rig.incarnation(spec.id)
      await rig.guestEnds(spec.id, power)
      await rig.reports.until('the machine to be seen', () =>
        rig.reports.machines.some(({ id, status }) => id === spec.id && status.power === power),
      )
      assert.equal((await ready(rig.hosts[0], spec)).power, 'running')
      assert.notEqual(await rig.incarnation(spec.id), before)
    })
  }

  promise('says why a machine cannot be started, and tries again when asked again', async (rig, ready) => {
    const spec = machineSpec()
    const sentence = 'The image is not bootable.'
    await rig.refuse(spec.id, sentence)
    await assert.rejects(ready(rig.hosts[0], spec), (error) => error instanceof Fault && error.message === sentence)
    await rig.refuse(spec.id, null)
    assert.equal((await ready(rig.hosts[0], spec)).power, 'running')
  })

  promise('refuses a host that it does not have', async (rig) => {
    await rejectsWith('unavailable', rig.drivers.compute.ensureMachine('nowhere', machineSpec(), signal))
  })

  promise('keeps a machine on one host', async (rig, ready) => {
    const [first, second] = rig.hosts
    const spec = machineSpec()
    await ready(first, spec)
    await rejectsWith('conflict', rig.drivers.compute.ensureMachine(second, spec, signal))
    await ready.gone(spec.id, first)
    await ready(second, spec)
    assert.deepEqual(await there(rig, spec), [spec.id])
  })

  promise('tells which ports are wired', async (rig, ready) => {
    const { reports, hosts } = rig
    const spec = machineSpec()
    const port = portSpec(spec.id)
    reports.networks.set(hosts[0], { networks: [networkSpec()], ports: [port], routers: [], groups: {} })
    rig.drivers.network.hostsChanged([hosts[0]])
    await ready(hosts[0], { ...spec, nics: [{ portId: port.id, mac: port.mac, mtu: 1450 }] })
    await reports.until('the port to be wired', () => reports.wired.get(hosts[0])?.includes(port.id) === true)
    reports.networks.delete(hosts[0])
    rig.drivers.network.hostsChanged([hosts[0]])
    await ready.gone(spec.id, hosts[0])
    await reports.until('the port to be gone', () => reports.wired.get(hosts[0])?.length === 0)
  })

  promise('shows the console, all of it or its end', async (rig, ready) => {
    const [host] = rig.hosts
    const spec = machineSpec()
    await ready(host, spec)
    const all = await rig.drivers.compute.consoleOutput(spec.id, host, null)
    assert.ok(all.split('\n').length > 10)
    assert.equal(await rig.drivers.compute.consoleOutput(spec.id, host, 3), all.split('\n').slice(-3).join('\n'))
  })

  promise('counts what a machine does', async (rig, ready) => {
    const spec = machineSpec({ vcpus: 2 })
    await ready(rig.hosts[0], spec)
    const { cpuTimesNs, disks } = await rig.drivers.compute.diagnostics(spec.id, rig.hosts[0])
    assert.deepEqual([cpuTimesNs.length, disks.length], [2, 1])
  })

  promise('cannot show the console of a host that is away', async (rig, ready, t) => {
    const [host] = rig.hosts
    const spec = machineSpec()
    await ready(host, spec)
    await rig.hostAway(host, true)
    t.after(() => rig.hostAway(host, false))
    await rejectsWith('unavailable', rig.drivers.compute.consoleOutput(spec.id, host, null))
    await rejectsWith('unavailable', rig.drivers.compute.diagnostics(spec.id, host))
  })

  promise('offers hosts for routers, with the networks they reach', async (rig, _ready, t) => {
    const [away, there] = rig.hosts
    const offered = async () => (await rig.drivers.network.routerHosts()).map(({ host }) => host)
    assert.ok((await offered()).includes(away) && (await offered()).includes(there))
    await rig.hostAway(away, true)
    t.after(() => rig.hostAway(away, false))
    assert.ok(!(await offered()).includes(away) && (await offered()).includes(there))
  })
}

interface Ready {
  /** Asks, sleeps until it is wakened, asks again: as compute's tasks do. A cloud that forgets to wake never ends. */
  (host: string, spec: MachineSpec): Promise<MachineStatus>
  gone(machineId: string, host: string | null): Promise<void>
}

function readiness(t: TestContext, { world, drivers }: Rig): Ready {
  const bell = wakeBell(t, world.db)
  const repeat = async <Answer>(id: string, ask: () => Promise<Answer>, done: (answer: Answer) => boolean) => {
    await bell.sleeper(id)
    for (;;) {
      const before = await bell.wakesOf(id)
      const answer = await ask()
      if (done(answer)) return answer
      await bell.wakened(id, before)
    }
  }
  return Object.assign(
    (host: string, spec: MachineSpec) =>
      repeat(
        spec.id,
        () => drivers.compute.ensureMachine(host, spec, signal),
        (status) => status.ready,
      ),
    {
      async gone(id: string, host: string | null) {
        await repeat(
          id,
          () => drivers.compute.ensureNoMachine(id, host, signal),
          (answer) => answer === 'gone',
        )
      },
    },
  )
}

async function rejectsWith(kind: Fault['kind'], promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => error instanceof Fault && error.kind === kind)
}
