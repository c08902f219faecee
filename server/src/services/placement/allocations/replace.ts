// Sets all that consumers hold, whatever they held before, for callers who choose the providers themselves.
import { and, type Db, eq, inArray, sql, type Tx } from '#lib/db.ts'
import { conflict, invalid } from '#lib/fault.ts'
import {
  capacityOf,
  consumer,
  type Consumer,
  type Inventory,
  inventory,
  lockProviders,
  provider,
  uuids,
} from '../model.ts'
import { requireClasses } from '../resource-classes/model.ts'

export interface Holding {
  consumerId: string
  projectId: string
  userId: string
  /** Undefined leaves it as it is. */
  type: string | undefined
  /** null: there must be no such consumer yet; undefined: it does not matter. */
  generation: number | null | undefined
  /** Provider id → amounts by class; empty: the consumer gives back everything. */
  resources: ReadonlyMap<string, Readonly<Record<string, number>>>
}

/**
 * All or nothing. Throws invalid for what does not exist, conflict for what does not fit or has a generation other than
 * the one given.
 */
export async function replaceAllocations(tx: Tx, region: string, holdings: readonly Holding[]): Promise<void> {
  const consumerIds = holdings.map(({ consumerId }) => consumerId)
  const wanted = new Set(holdings.flatMap(({ resources }) => [...resources.keys()]))
  await requireClasses(
    tx,
    region,
    holdings.flatMap(({ resources }) => [...resources.values()].flatMap((amounts) => Object.keys(amounts))),
  )
  const held = await providersOf(tx, consumerIds)
  const touched = wanted.union(held)
  await lockProviders(tx, touched)
  await requireProviders(tx, region, wanted)
  const known = await holdConsumers(tx, region, holdings)
  // between the two looks a consumer may have got something of a provider that is not locked
  if (!(await providersOf(tx, consumerIds)).isSubsetOf(touched))
    concurrentUpdate('the allocations were changed meanwhile')

  await tx.rows(sql`
    with given as (
      delete from allocation where consumer_id = any(${uuids(consumerIds)}::uuid[])
      returning provider_id, resource_class, used
    )
    update inventory i set used = i.used - g.used
    from (select provider_id, resource_class, sum(used) as used from given group by 1, 2) g
    where i.provider_id = g.provider_id and i.resource_class = g.resource_class`)
  await requireRoom(tx, holdings)
  await writeConsumers(tx, region, holdings, known)
  const rows = holdings.flatMap(({ consumerId, resources }) =>
    [...resources].flatMap(([providerId, amounts]) =>
      Object.entries(amounts).map(([name, amount]) => ({ c: consumerId, p: providerId, n: name, a: amount })),
    ),
  )
  await tx.rows(sql`
    with wish as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as w (c uuid, p uuid, n text, a integer)
    ), written as (
      insert into allocation (consumer_id, provider_id, resource_class, used) select c, p, n, a from wish
    ), taken as (
      update inventory i set used = i.used + t.amount
      from (select p, n, sum(a) as amount from wish group by p, n) t
      where i.provider_id = t.p and i.resource_class = t.n
    )
    update resource_provider set generation = generation + 1, updated_at = now()
    where id = any(${uuids(touched)}::uuid[])`)
}

function concurrentUpdate(why: string): never {
  return conflict(`Inventory and/or allocations changed while attempting to allocate: ${why}.`, {
    code: 'placement.concurrent_update',
  })
}

async function providersOf(db: Db, consumerIds: readonly string[]): Promise<Set<string>> {
  const rows = await db.rows<{ id: string }>(
    sql`select distinct provider_id as id from allocation where consumer_id = any(${uuids(consumerIds)}::uuid[])`,
  )
  return new Set(rows.map(({ id }) => id))
}

async function requireProviders(db: Db, region: string, ids: ReadonlySet<string>): Promise<void> {
  if (ids.size === 0) return
  const rows = await db
    .select({ id: provider.id })
    .from(provider)
    .where(and(eq(provider.region, region), inArray(provider.id, [...ids])))
  const found = new Set(rows.map(({ id }) => id))
  for (const id of ids) if (!found.has(id)) invalid(`Allocation for resource provider '${id}' that does not exist.`)
}

/** The consumers that exist, held until the transaction ends, after their generations have been compared. */
async function holdConsumers(tx: Tx, region: string, holdings: readonly Holding[]): Promise<Map<string, Consumer>> {
  const ids = holdings.map(({ consumerId }) => consumerId).toSorted()
  await tx.rows(sql`select id from consumer where id = any(${uuids(ids)}::uuid[]) order by id for update`)
  const rows = await tx.select().from(consumer).where(inArray(consumer.id, ids))
  const known = new Map(rows.map((row) => [row.id, row]))
  for (const { consumerId, generation } of holdings) {
    const now = known.get(consumerId)
    if (now && now.region !== region) conflict(`Consumer ${consumerId} holds resources in another region.`)
    if (generation !== undefined && generation !== (now?.generation ?? null))
      conflict(`consumer generation conflict - expected ${now?.generation ?? 'null'} but got ${generation ?? 'null'}`, {
        code: 'placement.concurrent_update',
      })
  }
  return known
}

async function requireRoom(tx: Tx, holdings: readonly Holding[]): Promise<void> {
  const ids = new Set(holdings.flatMap(({ resources }) => [...resources.keys()]))
  if (ids.size === 0) return
  const rows = await tx
    .select()
    .from(inventory)
    .where(inArray(inventory.providerId, [...ids]))
  const byKey = new Map(rows.map((row): [string, Inventory] => [`${row.providerId} ${row.resourceClass}`, row]))
  for (const { resources } of holdings) {
    for (const [providerId, amounts] of resources) {
      for (const [name, amount] of Object.entries(amounts)) {
        const row = byKey.get(`${providerId} ${name}`)
        if (!row)
          conflict(
            `Unable to allocate inventory: resource provider '${providerId}' has no inventory of class '${name}'.`,
          )
        const { minUnit, maxUnit, stepSize } = row
        if (amount < minUnit || amount > maxUnit || amount % stepSize !== 0)
          conflict(
            `Unable to allocate inventory: ${amount} ${name} of resource provider '${providerId}' is not between ${minUnit} and ${maxUnit} in steps of ${stepSize}.`,
          )
        row.used += amount
        if (row.used > capacityOf(row))
          conflict(
            `Unable to allocate inventory: the requested amount would exceed the capacity of ${name} on resource provider '${providerId}'.`,
          )
      }
    }
  }
}

async function writeConsumers(
  tx: Tx,
  region: string,
  holdings: readonly Holding[],
  known: ReadonlyMap<string, Consumer>,
): Promise<void> {
  for (const { consumerId: id, projectId, userId, type, resources } of holdings) {
    const now = known.get(id)
    if (resources.size === 0) {
      if (now) await tx.delete(consumer).where(eq(consumer.id, id))
      continue
    }
    const owner = { projectId, userId, ...(type !== undefined && { type }) }
    if (now)
      await tx
        .update(consumer)
        .set({ ...owner, generation: now.generation + 1 })
        .where(eq(consumer.id, id))
    else {
      const made = await tx
        .insert(consumer)
        .values({ id, region, ...owner })
        .onConflictDoNothing()
        .returning()
      if (made.length === 0) concurrentUpdate(`consumer ${id} was made meanwhile`)
    }
  }
}
