// A data plane that is only told: any number of hosts whose machines are rows. It keeps the drivers' contracts, takes as
// long as it is told to, and fails on demand.
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { and, eq, type Tx } from '#lib/db.ts'
import { conflict, notFound, unavailable } from '#lib/fault.ts'
import { wakeTask } from '#lib/task.ts'
import type { ComputeDriver } from '#compute/driver.ts'
import type { NetworkDriver } from '#network/driver.ts'
import type { Cloud, CloudReports, CloudWorld } from '../cloud.ts'
import { gather } from '../gather.ts'
import { bootLog, diagnosticsOf, lastLines } from './console.ts'
import { type Failures, failures } from './failures.ts'
import { factsOf, hostNames, simPhysicalNetworks } from './hosts.ts'
import {
  claimAnnouncement,
  claimHeartbeat,
  dropMachines,
  findMachines,
  holds,
  listSettled,
  putMachines,
  type SimMachine,
  simMachine,
  statusOf,
  type Wish,
  wiredOn,
  wishOf,
} from './model.ts'

const heartbeatMs = 5000

export interface SimCloud extends Cloud {
  readonly failures: Failures
  /** The guest ends by itself: as `shutdown` when it powered off, as `crashed` when its emulator died. */
  guestEnds: (machineId: string, power: 'shutdown' | 'crashed') => Promise<void>
  /** Everything there is, on any host. */
  machines(): Promise<SimMachine[]>
}

export function simCloud(world: CloudWorld, reports: CloudReports): SimCloud {
  const { db, config, log } = world
  const { region, simLatencyMs: latencyMs } = config
  const names = hostNames(config.simHosts)
  const known = new Set(names)
  const timers = new Map<string, NodeJS.Timeout>()
  let heartbeat: NodeJS.Timeout | undefined
  let beating = Promise.resolve()

  const wakeAll = async (ids: string[]) => {
    if (ids.length > 0) await db.transaction((tx) => wakeTask(tx, ...ids.map((id) => `server:${id}`)))
    return ids
  }
  const broken = failures(wakeAll)
  const wake = gather(wakeAll)
  const waking = new Set<Promise<unknown>>()
  const wakeLater = (id: string, afterMs: number) => {
    clearTimeout(timers.get(id))
    const ring = () => {
      timers.delete(id)
      const woken = wake(id)
        .catch((error: unknown) => log.warn({ err: error }, 'a simulated machine could not report'))
        .finally(() => waking.delete(woken))
      waking.add(woken)
    }
    timers.set(id, setTimeout(ring, afterMs))
  }
  const reportPorts = async (tx: Tx, hosts: readonly string[]) => {
    if (hosts.length === 0) return
    for (const [host, wired] of await wiredOn(tx, region, hosts))
      await reports.network.portsSeen(tx, region, host, wired)
  }

  const find = gather(async (ids: string[]) => {
    const found = await findMachines(db, region, ids)
    return ids.map((id) => found.get(id))
  })
  const put = gather(async (wishes: { wish: Wish; rewired: boolean }[]) => {
    const latest = new Map(wishes.map((each) => [each.wish.spec.id, each]))
    // in one order everywhere, so that two processes cannot wait for each other's rows
    const sorted = [...latest.values()].toSorted((a, b) => (a.wish.spec.id < b.wish.spec.id ? -1 : 1))
    const rewired = [...new Set(sorted.filter((each) => each.rewired).map(({ wish }) => wish.host))].toSorted()
    await db.transaction(async (tx) => {
      await putMachines(
        tx,
        region,
        sorted.map(({ wish }) => wish),
        latencyMs,
      )
      await reportPorts(tx, rewired)
    })
    return wishes
  })
  const drop = gather(async (ids: string[]) => {
    await db.transaction(async (tx) => reportPorts(tx, [...(await dropMachines(tx, region, ids))].toSorted()))
    return ids
  })

  const requireThere = async (id: string, host: string): Promise<SimMachine> => {
    if (broken.isDown(host)) unavailable(`The host ${host} is not connected.`)
    const machine = await find(id)
    return machine ?? notFound('Machine', id)
  }

  const compute: ComputeDriver = {
    abilities: {
      suspend: true,
      pause: true,
      consoleOutput: true,
      diagnostics: true,
      rebuild: true,
      resize: true,
      configDrive: true,
    },
    async ensureMachine(host, spec) {
      broken.enter()
      if (!known.has(host)) return unavailable(`There is no host ${host} in region ${region}.`)
      const wish = wishOf(host, spec)
      const machine = await find(spec.id)
      if (broken.isDown(host)) {
        broken.waits(spec.id, host)
        return waiting(machine, `waiting for host ${host}, which is not connected`)
      }
      if (machine && machine.host !== host)
        return conflict(`The machine is on host ${machine.host}; it must be removed there before ${host} can have it.`)
      if (!machine || !holds(machine, wish)) {
        broken.requireAllowed(spec.id)
        await put({ wish, rewired: !sameNics(machine, spec) })
        if (latencyMs > 0) wakeLater(spec.id, latencyMs)
        if (latencyMs > 0 || broken.isHeld(spec.id)) return waiting(machine, 'starting (simulated)')
        return { power: spec.power, ready: true, restartSerial: spec.restart.serial, doing: '', error: null }
      }
      const leftMs = machine.settledAt.getTime() - Date.now()
      if (leftMs > 0) wakeLater(spec.id, leftMs)
      return statusOf(machine, leftMs <= 0 && !broken.isHeld(spec.id))
    },
    async ensureNoMachine(id) {
      broken.enter()
      const machine = await find(id)
      if (!machine) return 'gone'
      if (broken.isDown(machine.host)) {
        broken.waits(id, machine.host)
        return 'working'
      }
      await drop(id)
      return 'gone'
    },
    listMachines: (olderThanMs) => listSettled(db, region, olderThanMs),
    async consoleOutput(id, host, lines) {
      broken.enter()
      return lastLines(bootLog(await requireThere(id, host)), lines)
    },
    async diagnostics(id, host) {
      broken.enter()
      return diagnosticsOf(await requireThere(id, host))
    },
  }

  const network: NetworkDriver = {
    // A port is wired when its machine's wish names it: nothing else of a host's network is simulated.
    hostsChanged() {},
    routerHosts: async () =>
      names.filter((host) => !broken.isDown(host)).map((host) => ({ host, physicalNetworks: simPhysicalNetworks })),
  }

  const beat = async () => {
    await db.transaction(async (tx) => {
      if (!(await claimHeartbeat(tx, region, heartbeatMs * 0.9))) return
      await reports.compute.hostsAlive(
        tx,
        region,
        names.filter((host) => !broken.isDown(host)),
      )
    })
  }

  return {
    drivers: { compute, network },
    service: undefined,
    failures: broken,
    async start() {
      await db.transaction(async (tx) => {
        if (!(await claimAnnouncement(tx, region, names.length))) return
        await reports.compute.hostsSeen(
          tx,
          region,
          names.map((_, i) => factsOf(i + 1)),
        )
      })
      heartbeat = setInterval(() => {
        beating = beat().catch((error: unknown) => log.warn({ err: error }, 'no heartbeat of the simulated hosts'))
      }, heartbeatMs)
      heartbeat.unref()
    },
    async close() {
      clearInterval(heartbeat)
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.all([...waking, beating])
    },
    async guestEnds(machineId, power) {
      await db.transaction(async (tx) => {
        const [machine] = await tx
          .update(simMachine)
          .set({ power })
          .where(and(eq(simMachine.region, region), eq(simMachine.id, machineId)))
          .returning()
        if (!machine) notFound('Machine', machineId)
        await reports.compute.machineSeen(tx, region, machineId, statusOf(machine, false))
        await wakeTask(tx, `server:${machineId}`)
      })
    },
    machines: () => db.select().from(simMachine).where(eq(simMachine.region, region)),
  }
}

function waiting(machine: SimMachine | undefined, doing: string): MachineStatus {
  return {
    power: machine?.power ?? 'absent',
    ready: false,
    restartSerial: machine?.restartSerial ?? 0,
    doing,
    error: null,
  }
}

function sameNics(machine: SimMachine | undefined, spec: MachineSpec): boolean {
  const before = machine?.about.nics.map(({ portId }) => portId).join() ?? ''
  return before === spec.nics.map(({ portId }) => portId).join()
}
