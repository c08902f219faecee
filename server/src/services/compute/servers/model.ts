import type { MachineSpec } from '@pileus/contract/agent.ts'
import {
  and,
  bigint,
  boolean,
  type Db,
  eq,
  inArray,
  integer,
  isNull,
  jsonb,
  pgTable,
  sql,
  text,
  timestamp,
  type Tx,
  uuid,
} from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { notFound } from '#lib/fault.ts'
import { type Power, type State, states } from './states.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** The flavor as it was when the server was made. */
export interface ServerFlavor {
  id: string
  name: string
  vcpus: number
  ramMb: number
  diskGb: number
  ephemeralGb: number
  swapMb: number
  extraSpecs: Record<string, string>
}
/** What a machine needs to know of its image, and of the kernel and the ramdisk that the image names. */
export interface ServerImage {
  id: string
  name: string
  source: NonNullable<MachineSpec['kernel']>
  kernel: MachineSpec['kernel']
  ramdisk: MachineSpec['ramdisk']
  properties: Readonly<Record<string, string>>
}
export interface ServerFault {
  code: number
  message: string
  created: string
}
export interface ServerKey {
  name: string
  type: 'ssh' | 'x509'
  data: string
}

const listed = {
  id: uuid().primaryKey(),
  n: bigint({ mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  userId: text('user_id').notNull(),
  name: text().notNull(),
  description: text(),
  hostname: text().notNull(),
  state: text({ enum: states }).notNull(),
  fault: jsonb().$type<ServerFault>(),
  flavor: jsonb().$type<ServerFlavor>().notNull(),
  flavorId: text('flavor_id').notNull(),
  vcpus: integer().notNull(),
  ramMb: integer('ram_mb').notNull(),
  imageId: uuid('image_id').notNull(),
  keyName: text('key_name'),
  configDrive: boolean('config_drive').notNull().default(false),
  metadata: jsonb().$type<Record<string, string>>().notNull().default({}),
  tags: text().array().notNull().default([]),
  host: text(),
  availabilityZone: text('availability_zone'),
  requestedZone: text('requested_zone'),
  groupId: uuid('group_id'),
  reservationId: text('reservation_id').notNull(),
  launchIndex: integer('launch_index').notNull().default(0),
  lockedBy: text('locked_by', { enum: ['owner', 'admin'] }),
  lockedReason: text('locked_reason'),
  diskConfig: text('disk_config', { enum: ['AUTO', 'MANUAL'] })
    .notNull()
    .default('MANUAL'),
  accessIpV4: text('access_ip_v4'),
  accessIpV6: text('access_ip_v6'),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
  launchedAt: moment('launched_at'),
  deletedAt: moment('deleted_at'),
}

/** The part of a server's row that detailed lists show: the rest may be large. */
export const listedServer = pgTable('server', listed)
/** What a list without detail shows. */
export const briefServer = pgTable('server', { id: listed.id, name: listed.name })
/** An id and the stamp of the row's version: it changes whenever the row does. */
export const stampedServer = pgTable('server', { id: listed.id, stamp: text('xmin').notNull() })
export type ListedServer = typeof listedServer.$inferSelect

export const server = pgTable('server', {
  ...listed,
  image: jsonb().$type<ServerImage>().notNull(),
  key: jsonb().$type<ServerKey>(),
  userData: text('user_data'),
  files: jsonb().$type<{ path: string; contents: string }[]>().notNull().default([]),
  adminPassword: text('admin_password'),
  requestedHost: text('requested_host'),
  schedulerHints: jsonb('scheduler_hints').$type<SchedulerHints>().notNull().default({}),
  power: text({ enum: ['running', 'paused', 'suspended', 'shutdown'] })
    .$type<Power>()
    .notNull()
    .default('running'),
  restartSerial: integer('restart_serial').notNull().default(0),
  restartHard: boolean('restart_hard').notNull().default(false),
  diskSerial: integer('disk_serial').notNull().default(0),
})
export type Server = typeof server.$inferSelect
export type NewServer = typeof server.$inferInsert

export interface SchedulerHints {
  sameHost?: string[]
  differentHost?: string[]
}

/** A server that was not deleted. */
export async function findServer(db: Db, region: string, id: string): Promise<Server | undefined> {
  const [found] = await db
    .select()
    .from(server)
    .where(and(eq(server.id, id), eq(server.region, region), isNull(server.deletedAt)))
  return found
}
export async function getServer(db: Db, region: string, id: string): Promise<Server> {
  return (await findServer(db, region, id)) ?? notFound('Instance', id)
}
/** Also one that was deleted. */
export async function getServerEver(db: Db, region: string, id: string): Promise<ListedServer> {
  const [found] = await db
    .select()
    .from(listedServer)
    .where(and(eq(listedServer.id, id), eq(listedServer.region, region)))
  return found ?? notFound('Instance', id)
}

export async function insertServers(tx: Tx, rows: NewServer[]): Promise<Server[]> {
  return tx.insert(server).values(rows).returning()
}

type Changes = Partial<Omit<NewServer, 'id' | 'region'>>

/**
 * Changes the row if it is in one of those states; returns it as it is then, or undefined when it has moved on. `event`
 * is told with it.
 */
export async function changeServer(
  tx: Tx,
  id: string,
  from: readonly State[],
  set: Changes,
  event?: string,
): Promise<Server | undefined> {
  const [row] = await tx
    .update(server)
    .set({ ...set, updatedAt: sql`now()` as unknown as Date })
    .where(and(eq(server.id, id), inArray(server.state, [...from])))
    .returning()
  if (row && event) await emit(tx, eventOf(row, event))
  return row
}

export function eventOf(row: Pick<Server, 'id' | 'projectId' | 'region'>, type: string) {
  return { type, resourceId: row.id, projectId: row.projectId, region: row.region }
}

/** Error, with a sentence for the owner. A server that is being deleted, or is gone, stays as it is. */
export async function failServer(tx: Tx, id: string, message: string, event: string, code = 500): Promise<void> {
  const fault: ServerFault = { code, message, created: new Date().toISOString() }
  const living = states.filter((state) => state !== 'deleted' && state !== 'deleting')
  await changeServer(tx, id, living, { state: 'error', fault }, event)
}

/** The living servers among these, by id. */
export async function findServers(db: Db, region: string, ids: readonly string[]): Promise<Map<string, ListedServer>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .select()
    .from(listedServer)
    .where(and(inArray(listedServer.id, [...ids]), eq(listedServer.region, region), isNull(listedServer.deletedAt)))
  return new Map(rows.map((row) => [row.id, row]))
}

export async function idsOnHost(db: Db, region: string, host: string): Promise<string[]> {
  const rows = await db
    .select({ id: server.id })
    .from(server)
    .where(and(eq(server.region, region), eq(server.host, host), isNull(server.deletedAt)))
  return rows.map((row) => row.id)
}
