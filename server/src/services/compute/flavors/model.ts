import {
  and,
  bigint,
  boolean,
  type Db,
  doublePrecision,
  eq,
  integer,
  isDuplicate,
  jsonb,
  or,
  pgTable,
  primaryKey,
  type SQL,
  sql,
  text,
  timestamp,
  type Tx,
} from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'

export const flavor = pgTable(
  'flavor',
  {
    n: bigint({ mode: 'number' }).generatedAlwaysAsIdentity(),
    region: text().notNull(),
    flavorId: text('flavor_id').notNull(),
    name: text().notNull(),
    vcpus: integer().notNull(),
    ramMb: integer('ram_mb').notNull(),
    diskGb: integer('disk_gb').notNull(),
    ephemeralGb: integer('ephemeral_gb').notNull().default(0),
    swapMb: integer('swap_mb').notNull().default(0),
    rxtxFactor: doublePrecision('rxtx_factor').notNull().default(1),
    isPublic: boolean('is_public').notNull().default(true),
    description: text(),
    extraSpecs: jsonb('extra_specs').$type<Record<string, string>>().notNull().default({}),
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.region, t.flavorId] })],
)
export type Flavor = typeof flavor.$inferSelect
export type NewFlavor = Omit<typeof flavor.$inferInsert, 'n' | 'createdAt'>

export const flavorAccess = pgTable(
  'flavor_access',
  {
    region: text().notNull(),
    flavorId: text('flavor_id').notNull(),
    projectId: text('project_id').notNull(),
  },
  (t) => [primaryKey({ columns: [t.region, t.flavorId, t.projectId] })],
)

/** For whom flavors are looked up; null sees all (admins). */
export type ForProject = string | null

/** Public flavors and those that the project was given access to. */
export function visibleTo(projectId: ForProject): SQL | undefined {
  if (projectId === null) return undefined
  return or(
    eq(flavor.isPublic, true),
    sql`exists (select 1 from ${flavorAccess} a where a.region = ${flavor.region} and a.flavor_id = ${flavor.flavorId}
      and a.project_id = ${projectId})`,
  )
}

export async function findFlavor(db: Db, region: string, id: string, projectId: ForProject) {
  const [found] = await db
    .select()
    .from(flavor)
    .where(and(eq(flavor.region, region), eq(flavor.flavorId, id), visibleTo(projectId)))
  return found
}
export async function getFlavor(db: Db, region: string, id: string, projectId: ForProject): Promise<Flavor> {
  return (await findFlavor(db, region, id, projectId)) ?? notFound('Flavor', id)
}

export async function insertFlavor(tx: Tx, spec: NewFlavor): Promise<Flavor> {
  try {
    const [row] = await tx.insert(flavor).values(spec).returning()
    return row!
  } catch (error) {
    if (isDuplicate(error, 'flavor_name')) conflict(`Flavor with name ${spec.name} already exists.`)
    if (isDuplicate(error)) conflict(`Flavor with ID ${spec.flavorId} already exists.`)
    throw error
  }
}

export async function setDescription(tx: Tx, region: string, id: string, description: string | null): Promise<Flavor> {
  const [row] = await tx
    .update(flavor)
    .set({ description })
    .where(and(eq(flavor.region, region), eq(flavor.flavorId, id)))
    .returning()
  return row ?? notFound('Flavor', id)
}

/** Servers keep their own copy of the flavor, so nothing holds one back. */
export async function deleteFlavor(tx: Tx, region: string, id: string): Promise<void> {
  const gone = await tx
    .delete(flavor)
    .where(and(eq(flavor.region, region), eq(flavor.flavorId, id)))
    .returning({ n: flavor.n })
  if (gone.length === 0) notFound('Flavor', id)
}

export async function mergeExtraSpecs(tx: Tx, region: string, id: string, specs: Record<string, string>) {
  const changed = await tx.rows(sql`
    update flavor set extra_specs = extra_specs || ${JSON.stringify(specs)}::text::jsonb
    where region = ${region} and flavor_id = ${id} returning 1`)
  if (changed.length === 0) notFound('Flavor', id)
}
export async function removeExtraSpec(tx: Tx, region: string, id: string, key: string): Promise<void> {
  const changed = await tx.rows(sql`
    update flavor set extra_specs = extra_specs - ${key}::text
    where region = ${region} and flavor_id = ${id} and extra_specs ? ${key}::text returning 1`)
  if (changed.length === 0) notFound('Extra spec', key)
}

export async function accessOf(db: Db, region: string, id: string): Promise<string[]> {
  const rows = await db
    .select({ projectId: flavorAccess.projectId })
    .from(flavorAccess)
    .where(and(eq(flavorAccess.region, region), eq(flavorAccess.flavorId, id)))
    .orderBy(flavorAccess.projectId)
  return rows.map((row) => row.projectId)
}
export async function addAccess(tx: Tx, region: string, flavorId: string, projectId: string): Promise<void> {
  try {
    await tx.insert(flavorAccess).values({ region, flavorId, projectId })
  } catch (error) {
    if (isDuplicate(error)) conflict(`Project ${projectId} already has access to flavor ${flavorId}.`)
    throw error
  }
}
export async function removeAccess(tx: Tx, region: string, flavorId: string, projectId: string): Promise<void> {
  const gone = await tx
    .delete(flavorAccess)
    .where(
      and(eq(flavorAccess.region, region), eq(flavorAccess.flavorId, flavorId), eq(flavorAccess.projectId, projectId)),
    )
    .returning({ projectId: flavorAccess.projectId })
  if (gone.length === 0) notFound('Flavor access', `${flavorId} for project ${projectId}`)
}
