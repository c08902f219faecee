// The tables of placement. Its nouns share them: an allocation is of a consumer, on a provider, out of an inventory.
import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  pgTable,
  primaryKey,
  sql,
  text,
  timestamp,
  type Tx,
  uuid,
} from '#lib/db.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const provider = pgTable('resource_provider', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  name: text().notNull(),
  parentId: uuid('parent_id'),
  rootId: uuid('root_id').notNull(),
  generation: integer().notNull().default(0),
  isHost: boolean('is_host').notNull().default(false),
  enabled: boolean().notNull().default(true),
  disabledReason: text('disabled_reason'),
  traits: text().array().notNull().default([]),
  reportedTraits: text('reported_traits').array().notNull().default([]),
  aggregates: uuid().array().notNull().default([]),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
})
export type Provider = typeof provider.$inferSelect

export const inventory = pgTable(
  'inventory',
  {
    providerId: uuid('provider_id').notNull(),
    resourceClass: text('resource_class').notNull(),
    total: integer().notNull(),
    reserved: integer().notNull().default(0),
    minUnit: integer('min_unit').notNull().default(1),
    maxUnit: integer('max_unit').notNull().default(2_147_483_647),
    stepSize: integer('step_size').notNull().default(1),
    allocationRatio: doublePrecision('allocation_ratio').notNull().default(1),
    used: bigint({ mode: 'number' }).notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.providerId, t.resourceClass] })],
)
export type Inventory = typeof inventory.$inferSelect

export const consumer = pgTable('consumer', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  userId: text('user_id').notNull(),
  type: text(),
  generation: integer().notNull().default(1),
  createdAt: moment('created_at').notNull().defaultNow(),
})
export type Consumer = typeof consumer.$inferSelect

export const allocation = pgTable(
  'allocation',
  {
    consumerId: uuid('consumer_id').notNull(),
    providerId: uuid('provider_id').notNull(),
    resourceClass: text('resource_class').notNull(),
    used: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.consumerId, t.providerId, t.resourceClass] })],
)

export const customTrait = pgTable(
  'custom_trait',
  {
    region: text().notNull(),
    name: text().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.region, t.name] })],
)

export const customClass = pgTable(
  'custom_resource_class',
  {
    region: text().notNull(),
    name: text().notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.region, t.name] })],
)

/** How much of an inventory can be given away in all. */
export function capacityOf(of: Pick<Inventory, 'total' | 'reserved' | 'allocationRatio'>): number {
  return Math.floor((of.total - of.reserved) * of.allocationRatio)
}

/** Text of a PostgreSQL array of names (of traits, of resource classes) that have been checked to hold no special characters. */
export function names(all: Iterable<string>): string {
  return `{${[...all].join(',')}}`
}

/** Text of a PostgreSQL array of uuids, for `= any(${uuids(ids)}::uuid[])`. */
export function uuids(ids: Iterable<string>): string {
  return `{${[...ids].join(',')}}`
}

/**
 * Holds these providers until the transaction ends, always in the same order. Whoever changes inventories or allocations
 * does this first and reads the numbers in a later statement, which then sees what others committed before.
 */
export async function lockProviders(tx: Tx, ids: Iterable<string>): Promise<void> {
  await tx.rows(sql`select id from resource_provider where id = any(${uuids(ids)}::uuid[]) order by id for update`)
}
