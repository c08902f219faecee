// What the clouds' tests stand on: a database, somebody to report to, and a bell for wakened tasks.
import { EventEmitter, once } from 'node:events'
import type { TestContext } from 'node:test'
import type {
  HostFacts,
  HostNetwork,
  MachineSpec,
  MachineStatus,
  NetworkSpec,
  PortSpec,
} from '@pileus/contract/agent.ts'
import { exampleMachine } from '@pileus/contract/testing.ts'
import { type Config, readConfig } from '#lib/config.ts'
import { type Database, openDatabase, sql } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { makeLog } from '#lib/log.ts'
import { setEager } from '#lib/task.ts'
import { testDatabase } from '#lib/testing/database.ts'
import type { Cloud, CloudReports, CloudWorld } from './cloud.ts'

/** The services' side of the contract, kept in memory. */
export interface Recorder extends CloudReports {
  readonly machines: { id: string; status: MachineStatus }[]
  readonly hosts: Map<string, HostFacts>
  /** How many reports of hosts and of their life there were. */
  readonly counts: { hostsSeen: number; hostsAlive: number; described: number }
  /** Wired ports by host. */
  readonly wired: Map<string, readonly string[]>
  /** What `describeHost` answers. */
  readonly networks: Map<string, HostNetwork>
  /** What `machinesOn` answers. */
  readonly placed: Map<string, string[]>
  /** Returns as soon as the condition holds. */
  until(what: string, holds: () => boolean): Promise<void>
}

export function recorder(): Recorder {
  const bell = new EventEmitter()
  const ring = () => void bell.emit('report')
  const made: Recorder = {
    machines: [],
    hosts: new Map(),
    counts: { hostsSeen: 0, hostsAlive: 0, described: 0 },
    wired: new Map(),
    networks: new Map(),
    placed: new Map(),
    async until(_what, holds) {
      while (!holds()) await once(bell, 'report')
    },
    compute: {
      async machineSeen(tx, _region, id, status) {
        tx.afterCommit(() => {
          made.machines.push({ id, status })
          ring()
        })
      },
      async hostsSeen(tx, _region, hosts) {
        tx.afterCommit(() => {
          made.counts.hostsSeen++
          for (const host of hosts) made.hosts.set(host.name, host)
          ring()
        })
      },
      async hostsAlive(tx) {
        tx.afterCommit(() => {
          made.counts.hostsAlive++
          ring()
        })
      },
      machinesOn: async (_db, _region, host) => made.placed.get(host) ?? [],
    },
    network: {
      async describeHost(_db, _region, host) {
        made.counts.described++
        setImmediate(ring)
        return made.networks.get(host) ?? emptyNetwork()
      },
      async portsSeen(tx, _region, host, wired) {
        tx.afterCommit(() => {
          made.wired.set(host, wired)
          ring()
        })
      },
    },
  }
  return made
}

export function emptyNetwork(): HostNetwork {
  return { networks: [], ports: [], routers: [], groups: {} }
}

const endings = new WeakMap<object, (() => Promise<unknown>)[]>()

/** Like `t.after`, but the last one registered runs first: nothing loses what it stands on. */
export function atEnd(t: Pick<TestContext, 'after'>, end: () => Promise<unknown>): void {
  const all = endings.get(t) ?? []
  if (all.push(end) > 1) return
  endings.set(t, all)
  t.after(async () => {
    for (const each of all.toReversed()) await each()
  })
}

/** A database of its own, and the settings and log that go with it. `url` opens it a second time. */
export async function testWorld(
  t: Pick<TestContext, 'after'>,
  settings: Partial<Config> = {},
): Promise<CloudWorld & { url: string }> {
  const { url, drop } = await testDatabase('clouds', async () => {})
  atEnd(t, drop)
  const config = readConfig({}, { publicUrl: 'http://cloud.test', ...settings })
  return { ...openWorld(t, url, config), url }
}

/** One more process, as it were, on the same database. */
export function openWorld(t: Pick<TestContext, 'after'>, url: string, config: Config): CloudWorld {
  const log = makeLog('test', process.env['PILEUS_TEST_LOG'] ?? 'error')
  const db = openDatabase(url, log, { connections: 4 })
  atEnd(t, () => db.close())
  return { db, config, log }
}

/** Hears when tasks are wakened; there is no worker in these tests, so it may take the worker's place. */
export function wakeBell(t: Pick<TestContext, 'after'>, db: Database) {
  const bell = new EventEmitter().setMaxListeners(100)
  setEager({ claim: () => undefined, committed() {}, queued: () => void bell.emit('wake') })
  atEnd(t, async () => setEager(undefined))
  const wakesOf = async (machineId: string) => {
    const [row] = await db.rows<{ wakes: number }>(sql`select wakes from task where key = ${`server:${machineId}`}`)
    return row?.wakes ?? 0
  }
  return {
    /** A task that sleeps for the machine's sake. */
    async sleeper(machineId: string) {
      await db.transaction((tx) =>
        tx.rows(sql`
          insert into task (id, kind, key, region, input, step, deadline_at, run_at)
          values (${newId()}, 'conformance', ${`server:${machineId}`}, 'local', '{}'::jsonb, 'sleep', 'infinity', 'infinity')
          on conflict do nothing`),
      )
    },
    wakesOf,
    async wakened(machineId: string, since: number) {
      for (;;) {
        const rung = once(bell, 'wake')
        if ((await wakesOf(machineId)) > since) return
        await rung
      }
    },
  }
}

export function machineSpec(changes: Partial<MachineSpec> = {}): MachineSpec {
  return exampleMachine({
    id: newId(),
    shutdownSeconds: 0,
    disks: [{ id: 'root', role: 'root', sizeMb: 1024, image: null, serial: 0 }],
    ...changes,
  })
}

export function portSpec(machineId: string): PortSpec {
  return {
    id: newId(),
    networkId: 'net',
    machineId,
    mac: 'fa:16:3e:00:00:01',
    hostname: 'web',
    up: true,
    addresses: [],
    allowedPairs: [],
    secured: true,
    rules: [],
    dhcpOptions: [],
  }
}

export function networkSpec(): NetworkSpec {
  return {
    id: 'net',
    kind: 'vxlan',
    segment: 1,
    physical: '',
    mtu: 1450,
    dhcpMac: 'fa:16:3e:00:00:02',
    domain: '',
    subnets: [],
    remote: [],
  }
}

export type Drivers = Cloud['drivers']
