// The rows of our own hosts: who they are, what they should make true, what they said.
import type { DesiredObject, HostFacts, MachineStatus, NetworkStatus } from '@pileus/contract/agent.ts'
import {
  bigint,
  boolean,
  type Db,
  first,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  sql,
  text,
  timestamp,
  type Tx,
  uuid,
} from '#lib/db.ts'

/** A host that was not heard from for so long is away. */
export const leaseSeconds = 15

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export interface Pulse {
  load: number
  freeMemoryMb: number
  freeDiskGb: number
}

export const kvmHost = pgTable('kvm_host', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  name: text().notNull(),
  publicKey: text('public_key').notNull(),
  joinedAt: moment('joined_at').notNull().defaultNow(),
  joinedBy: text('joined_by').notNull(),
  session: uuid(),
  lastSeen: moment('last_seen'),
  facts: jsonb().$type<HostFacts>(),
  pulse: jsonb().$type<Pulse>(),
  leftovers: jsonb().$type<string[]>().notNull().default([]),
})
export type KvmHost = typeof kvmHost.$inferSelect

export const kvmJoinToken = pgTable('kvm_join_token', {
  id: text().primaryKey(),
  region: text().notNull(),
  usesLeft: integer('uses_left').notNull(),
  expiresAt: moment('expires_at').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
})

export const kvmObject = pgTable(
  'kvm_object',
  {
    hostId: uuid('host_id').notNull(),
    region: text().notNull(),
    kind: text({ enum: ['machine', 'network'] }).notNull(),
    id: text().notNull(),
    generation: bigint({ mode: 'number' }).notNull(),
    spec: jsonb().$type<DesiredObject['spec']>(),
    specHash: text('spec_hash').notNull(),
    reportedGeneration: bigint('reported_generation', { mode: 'number' }).notNull().default(0),
    readyGeneration: bigint('ready_generation', { mode: 'number' }).notNull().default(0),
    status: jsonb().$type<MachineStatus | NetworkStatus>(),
    errorTold: boolean('error_told').notNull().default(false),
  },
  (t) => [primaryKey({ columns: [t.hostId, t.kind, t.id] })],
)

/** The hosts that speak: connected, and heard from within the lease. */
export const connected = sql<boolean>`(kvm_host.session is not null and kvm_host.last_seen > now() - ${leaseSeconds} * interval '1 second')`

/** The generation of a wish that is new at this moment, later than `after`. */
export const generationAfter = (after: ReturnType<typeof sql>) =>
  sql`greatest(${after} + 1, floor(extract(epoch from clock_timestamp()) * 1000)::bigint)`

export async function findHost(db: Db, region: string, id: string): Promise<KvmHost | undefined> {
  return first(
    await db
      .select()
      .from(kvmHost)
      .where(sql`${kvmHost.region} = ${region} and ${kvmHost.id} = ${id}`),
  )
}

/** The connection with this session speaks for the host from now on. Every process hears of it. */
export async function openSession(tx: Tx, host: KvmHost, session: string): Promise<void> {
  await tx.rows(sql`update kvm_host set session = ${session}, last_seen = now() where id = ${host.id}`)
  await tx.publish('kvm', `session ${host.id} ${session}`)
}

/** The host has no connection any more, unless it has got another one. */
export async function closeSession(tx: Tx, hostId: string, session: string): Promise<void> {
  await tx.rows(sql`update kvm_host set session = null where id = ${hostId} and session = ${session}`)
  await tx.publish('kvm', `away ${hostId}`)
}

/** Holds the session until the transaction ends; false when another connection speaks for the host now. */
export async function holdSession(tx: Tx, hostId: string, session: string): Promise<boolean> {
  const rows = await tx.rows(
    sql`select 1 from kvm_host where id = ${hostId} and session = ${session} for no key update`,
  )
  return rows.length > 0
}
