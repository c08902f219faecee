// The machines of the simulated cloud, and who spoke for its hosts: rows, so that all processes see the same world.
import { createHash } from 'node:crypto'
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { type Db, integer, jsonb, pgTable, primaryKey, sql, text, timestamp, type Tx } from '#lib/db.ts'

export interface About {
  hostname: string
  vcpus: number
  memoryMb: number
  disks: number
  nics: { portId: string; mac: string }[]
}

export const simMachine = pgTable(
  'sim_machine',
  {
    region: text().notNull(),
    id: text().notNull(),
    host: text().notNull(),
    specHash: text('spec_hash').notNull(),
    power: text({ enum: ['running', 'paused', 'suspended', 'shutdown', 'crashed'] }).notNull(),
    restartSerial: integer('restart_serial').notNull(),
    about: jsonb().$type<About>().notNull(),
    startedAt: timestamp('started_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
    settledAt: timestamp('settled_at', { withTimezone: true, mode: 'date' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.region, t.id] })],
)
export type SimMachine = typeof simMachine.$inferSelect

export interface Wish {
  host: string
  spec: MachineSpec
  hash: string
}

export function wishOf(host: string, spec: MachineSpec): Wish {
  return { host, spec, hash: createHash('sha1').update(host).update(JSON.stringify(spec)).digest('base64url') }
}

/** True when nothing needs to be written for the wish. */
export function holds(machine: SimMachine, wish: Wish): boolean {
  return machine.specHash === wish.hash && machine.power === wish.spec.power
}

export function statusOf(machine: SimMachine, ready: boolean): MachineStatus {
  return {
    power: machine.power,
    ready,
    restartSerial: machine.restartSerial,
    doing: ready ? '' : 'starting (simulated)',
    error: null,
  }
}

export async function findMachines(db: Db, region: string, ids: readonly string[]): Promise<Map<string, SimMachine>> {
  const rows = await db
    .select()
    .from(simMachine)
    .where(sql`${simMachine.region} = ${region} and ${simMachine.id} in ${ids}`)
  return new Map(rows.map((row) => [row.id, row]))
}

/** Makes the wishes so in one statement; they hold after `latencyMs`. */
export async function putMachines(tx: Tx, region: string, wishes: readonly Wish[], latencyMs: number): Promise<void> {
  const settledAt = new Date(Date.now() + latencyMs)
  const rows = wishes.map(({ host, spec, hash }) => ({
    region,
    id: spec.id,
    host,
    specHash: hash,
    power: spec.power,
    restartSerial: spec.restart.serial,
    about: {
      hostname: spec.metadata.hostname,
      vcpus: spec.vcpus,
      memoryMb: spec.memoryMb,
      disks: spec.disks.length,
      nics: spec.nics.map(({ portId, mac }) => ({ portId, mac })),
    },
    settledAt,
  }))
  await tx
    .insert(simMachine)
    .values(rows)
    .onConflictDoUpdate({
      target: [simMachine.region, simMachine.id],
      set: {
        host: sql`excluded.host`,
        specHash: sql`excluded.spec_hash`,
        power: sql`excluded.power`,
        restartSerial: sql`excluded.restart_serial`,
        about: sql`excluded.about`,
        settledAt: sql`excluded.settled_at`,
        startedAt: sql`case when sim_machine.power = excluded.power and sim_machine.restart_serial = excluded.restart_serial
                       then sim_machine.started_at else now() end`,
      },
    })
}

/** See `ComputeDriver.listMachines`: a wish settles when it is made, or a little later. */
export async function listSettled(db: Db, region: string, olderThanMs: number): Promise<string[]> {
  const rows = await db.rows<{ id: string }>(sql`
    select id from sim_machine
    where region = ${region} and settled_at <= clock_timestamp() - ${olderThanMs} * interval '1 millisecond'`)
  return rows.map(({ id }) => id)
}

/** Removes the machines; returns those that had NICs, with their hosts. */
export async function dropMachines(tx: Tx, region: string, ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx
    .delete(simMachine)
    .where(sql`${simMachine.region} = ${region} and ${simMachine.id} in ${ids}`)
    .returning({ host: simMachine.host, about: simMachine.about })
  return new Set(rows.filter(({ about }) => about.nics.length > 0).map(({ host }) => host))
}

/** The ports that are wired on each of these hosts: those of its machines. */
export async function wiredOn(db: Db, region: string, hosts: readonly string[]): Promise<Map<string, string[]>> {
  const wired = new Map<string, string[]>(hosts.map((host) => [host, []]))
  const rows = await db
    .select({ host: simMachine.host, about: simMachine.about })
    .from(simMachine)
    .where(sql`${simMachine.region} = ${region} and ${simMachine.host} in ${hosts}`)
  for (const { host, about } of rows) wired.get(host)?.push(...about.nics.map(({ portId }) => portId))
  return wired
}

/** The first of several processes that start together gets true, and the others wait until it has committed. */
export async function claimAnnouncement(tx: Tx, region: string, hosts: number): Promise<boolean> {
  const rows = await tx.rows(sql`
    insert into sim_announcement (region, hosts) values (${region}, ${hosts})
    on conflict (region) do update set hosts = excluded.hosts, announced_at = now(), alive_at = now()
    where sim_announcement.hosts <> excluded.hosts or sim_announcement.alive_at < now() - interval '30 seconds'
    returning region`)
  return rows.length > 0
}

/** True for the one process whose turn it is to say that the hosts live. */
export async function claimHeartbeat(tx: Tx, region: string, everyMs: number): Promise<boolean> {
  const rows = await tx.rows(sql`
    update sim_announcement set alive_at = now()
    where region = ${region} and alive_at < now() - ${everyMs} * interval '1 millisecond' returning region`)
  return rows.length > 0
}
