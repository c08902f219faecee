// Aggregates: sets of hosts with metadata. One with `availability_zone` among its metadata is a zone.
import { and, type Db, eq, integer, isDuplicate, jsonb, pgTable, sql, text, timestamp, type Tx, uuid } from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const aggregate = pgTable('aggregate', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  uuid: uuid().notNull(),
  region: text().notNull(),
  name: text().notNull(),
  metadata: jsonb().$type<Record<string, string>>().notNull().default({}),
  hosts: text().array().notNull().default([]),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at'),
})
export type Aggregate = typeof aggregate.$inferSelect

/** The zone of hosts that are in no other one. */
export const defaultZone = 'nova'
export const zoneOf = ({ metadata }: Pick<Aggregate, 'metadata'>): string | undefined => metadata['availability_zone']

export async function listAggregates(db: Db, region: string): Promise<Aggregate[]> {
  return db.select().from(aggregate).where(eq(aggregate.region, region)).orderBy(aggregate.id)
}
export async function getAggregate(db: Db, region: string, id: string): Promise<Aggregate> {
  const [found] = /^\d{1,9}$/.test(id)
    ? await db
        .select()
        .from(aggregate)
        .where(and(eq(aggregate.region, region), eq(aggregate.id, Number(id))))
    : []
  return found ?? notFound('Aggregate', id)
}

export async function insertAggregate(tx: Tx, spec: { region: string; name: string; zone: string | null }) {
  const { region, name, zone } = spec
  try {
    const metadata: Record<string, string> = zone === null ? {} : { availability_zone: zone }
    const [row] = await tx.insert(aggregate).values({ uuid: newId(), region, name, metadata }).returning()
    return row!
  } catch (error) {
    if (isDuplicate(error)) conflict(`Aggregate ${name} already exists.`)
    throw error
  }
}
export async function changeAggregate(
  tx: Tx,
  id: number,
  set: Partial<Pick<Aggregate, 'name' | 'metadata' | 'hosts'>>,
): Promise<Aggregate> {
  try {
    const [row] = await tx
      .update(aggregate)
      .set({ ...set, updatedAt: sql`now()` as unknown as Date })
      .where(eq(aggregate.id, id))
      .returning()
    return row ?? notFound('Aggregate', String(id))
  } catch (error) {
    if (isDuplicate(error)) conflict(`Aggregate ${set.name} already exists.`)
    throw error
  }
}
export async function deleteAggregate(tx: Tx, id: number): Promise<void> {
  await tx.delete(aggregate).where(eq(aggregate.id, id))
}

/** The zone of each host that is in one. */
export function zonesByHost(aggregates: readonly Aggregate[]): Map<string, string> {
  const zones = new Map<string, string>()
  for (const each of aggregates) {
    const zone = zoneOf(each)
    if (zone !== undefined) for (const host of each.hosts) zones.set(host, zone)
  }
  return zones
}

/** Which hosts a zone means: those of its aggregates, or for the default one all that are in no zone. */
export function zoneHosts(aggregates: readonly Aggregate[], zone: string): { hosts?: string[]; avoidHosts?: string[] } {
  const zones = [...zonesByHost(aggregates)]
  if (zone === defaultZone && !zones.some(([, each]) => each === defaultZone))
    return { avoidHosts: zones.map(([host]) => host) }
  return { hosts: zones.filter(([, each]) => each === zone).map(([host]) => host) }
}

/** The zone of a host, as a value to write: saves asking first. */
export function zoneInSql(region: string, host: string): string {
  return sql`coalesce((select metadata->>'availability_zone' from aggregate where region = ${region}
    and ${host}::text = any(hosts) and metadata ? 'availability_zone' limit 1), ${defaultZone}::text)` as unknown as string
}

export async function zoneOfHost(db: Db, region: string, host: string): Promise<string> {
  const [row] = await db.rows<{ zone: string | null }>(sql`
    select metadata->>'availability_zone' as zone from aggregate
    where region = ${region} and ${host}::text = any(hosts) and metadata ? 'availability_zone' limit 1`)
  return row?.zone ?? defaultZone
}
