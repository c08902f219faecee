// Unified limits: what each project may have of a resource, unless a limit of its own says otherwise. Whether limits of a
// project depend on those of its domain is the model's business (two-levels.ts).
import {
  and,
  type Db,
  eq,
  integer,
  isDuplicate,
  isNull,
  pgTable,
  type SQL,
  sql,
  text,
  timestamp,
  type Tx,
} from '#lib/db.ts'
import { bug, conflict, forbidden, invalid, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { project } from '../model.ts'
import { findProject } from '../projects/model.ts'
import { findRegion } from '../regions/model.ts'
import { findService } from '../services/model.ts'

export const registeredLimit = pgTable('registered_limit', {
  id: text().primaryKey(),
  serviceId: text('service_id').notNull(),
  regionId: text('region_id'),
  resourceName: text('resource_name').notNull(),
  defaultLimit: integer('default_limit').notNull(),
  description: text(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type RegisteredLimit = typeof registeredLimit.$inferSelect

export const limit = pgTable('project_limit', {
  id: text().primaryKey(),
  projectId: text('project_id').notNull(),
  serviceId: text('service_id').notNull(),
  regionId: text('region_id'),
  resourceName: text('resource_name').notNull(),
  resourceLimit: integer('resource_limit').notNull(),
  description: text(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
/** A limit of a project or of a domain, with what policies ask about. */
export type Limit = typeof limit.$inferSelect & { isDomain: boolean; ofDomainId: string | null }

export interface ResourceFilter {
  serviceId?: string | undefined
  regionId?: string | undefined
  resourceName?: string | undefined
}
const matches = (table: typeof registeredLimit | typeof limit, filter: ResourceFilter): SQL | undefined =>
  and(
    filter.serviceId === undefined ? undefined : eq(table.serviceId, filter.serviceId),
    filter.regionId === undefined ? undefined : eq(table.regionId, filter.regionId),
    filter.resourceName === undefined ? undefined : eq(table.resourceName, filter.resourceName),
  )
export const sameResource = (
  table: typeof registeredLimit | typeof limit,
  of: { serviceId: string; regionId: string | null; resourceName: string },
) =>
  and(
    eq(table.serviceId, of.serviceId),
    eq(table.resourceName, of.resourceName),
    of.regionId === null ? isNull(table.regionId) : eq(table.regionId, of.regionId),
  )

export async function findRegisteredLimit(db: Db, id: string): Promise<RegisteredLimit | undefined> {
  const [row] = await db.select().from(registeredLimit).where(eq(registeredLimit.id, id))
  return row
}
export function listRegisteredLimits(db: Db, filter: ResourceFilter): Promise<RegisteredLimit[]> {
  return db.select().from(registeredLimit).where(matches(registeredLimit, filter)).orderBy(registeredLimit.id)
}

type NewRegisteredLimit = Omit<RegisteredLimit, 'id' | 'createdAt'>

/** Throws invalid for a service or region that is not there, conflict for a resource that has a limit. */
export async function insertRegisteredLimit(tx: Tx, spec: NewRegisteredLimit): Promise<RegisteredLimit> {
  await requireKnown(tx, spec)
  return once(spec.resourceName, async () => {
    const [row] = await tx.transaction((inner) =>
      inner
        .insert(registeredLimit)
        .values({ ...spec, id: newHexId() })
        .returning(),
    )
    return row
  })
}

/** Throws forbidden when it would no longer fit the limits of projects that it stands behind. */
export async function updateRegisteredLimit(
  tx: Tx,
  row: RegisteredLimit,
  change: Partial<NewRegisteredLimit>,
): Promise<RegisteredLimit> {
  const { serviceId, regionId, resourceName } = change
  if (serviceId !== undefined || regionId !== undefined || resourceName !== undefined) await requireUnused(tx, row)
  await requireKnown(tx, change)
  return once(resourceName ?? row.resourceName, async () => {
    const [changed] = await tx.transaction((inner) =>
      inner
        .update(registeredLimit)
        .set({ id: row.id, ...change })
        .where(eq(registeredLimit.id, row.id))
        .returning(),
    )
    return changed
  })
}
/** Throws forbidden while projects have limits of their own for it. */
export async function removeRegisteredLimit(tx: Tx, row: RegisteredLimit): Promise<void> {
  await requireUnused(tx, row)
  await tx.delete(registeredLimit).where(eq(registeredLimit.id, row.id))
}

async function requireUnused(tx: Tx, row: RegisteredLimit): Promise<void> {
  const [used] = await tx.select({ id: limit.id }).from(limit).where(sameResource(limit, row)).limit(1)
  if (used) forbidden(`Registered limit ${row.id} is in use by limit ${used.id}.`)
}
async function requireKnown(
  tx: Tx,
  { serviceId, regionId }: { serviceId?: string; regionId?: string | null },
): Promise<void> {
  if (serviceId !== undefined && !(await findService(tx, serviceId))) invalid(`Could not find service: ${serviceId}.`)
  if (regionId && !(await findRegion(tx, regionId))) invalid(`Could not find region: ${regionId}.`)
}
async function once<Row>(resource: string, work: () => Promise<Row | undefined>): Promise<Row> {
  try {
    return (await work()) ?? bug('nothing was written')
  } catch (error) {
    if (isDuplicate(error)) conflict(`There is already a limit for ${resource}.`, { cause: error })
    throw error
  }
}

const limits = (db: Db, where: SQL | undefined) =>
  db
    .select({ limit, isDomain: project.isDomain, ofDomainId: project.domainId })
    .from(limit)
    .innerJoin(project, eq(project.id, limit.projectId))
    .where(where)
    .orderBy(limit.id)

export async function findLimit(db: Db, id: string): Promise<Limit | undefined> {
  const [row] = await limits(db, eq(limit.id, id))
  return row && { ...row.limit, isDomain: row.isDomain, ofDomainId: row.ofDomainId }
}
export async function listLimits(
  db: Db,
  filter: ResourceFilter & { projectId?: string | undefined; within?: string | undefined },
): Promise<Limit[]> {
  const rows = await limits(
    db,
    and(
      matches(limit, filter),
      filter.projectId === undefined ? undefined : eq(limit.projectId, filter.projectId),
      filter.within === undefined
        ? undefined
        : sql`(${project.id} = ${filter.within} or ${project.domainId} = ${filter.within})`,
    ),
  )
  return rows.map((row) => ({ ...row.limit, isDomain: row.isDomain, ofDomainId: row.ofDomainId }))
}

type NewLimit = Omit<typeof limit.$inferSelect, 'id' | 'createdAt'>

/** Throws forbidden for a resource without a registered limit, invalid for a project that is not there. */
export async function insertLimit(tx: Tx, spec: NewLimit): Promise<Limit> {
  await requireKnown(tx, spec)
  if (!(await findProject(tx, spec.projectId))) invalid(`Could not find project: ${spec.projectId}.`)
  const [registered] = await tx.select().from(registeredLimit).where(sameResource(registeredLimit, spec))
  if (!registered) forbidden(`There is no registered limit for ${spec.resourceName}: make one first.`)
  const made = await once(spec.resourceName, async () => {
    const [row] = await tx.transaction((inner) =>
      inner
        .insert(limit)
        .values({ ...spec, id: newHexId() })
        .returning(),
    )
    return row
  })
  return (await findLimit(tx, made.id)) ?? bug('a limit is there and is not')
}
export async function updateLimit(
  tx: Tx,
  id: string,
  change: Partial<Pick<NewLimit, 'resourceLimit' | 'description'>>,
): Promise<Limit> {
  await tx
    .update(limit)
    .set({ id, ...change })
    .where(eq(limit.id, id))
  return (await findLimit(tx, id)) ?? notFound('Limit', id)
}
export async function removeLimit(tx: Tx, id: string): Promise<void> {
  await tx.delete(limit).where(eq(limit.id, id))
}
