// OS-EP-FILTER: which endpoints a project's catalogue has. A project for which nothing is said sees all.
import { and, type Db, eq, jsonb, pgTable, primaryKey, sql, text, timestamp, type Tx } from '#lib/db.ts'
import { bug, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { type Endpoint, endpoint, type Project, project } from '../model.ts'

export interface EndpointFilters {
  interface?: string
  service_id?: string
  region_id?: string
}

const endpointGroup = pgTable('endpoint_group', {
  id: text().primaryKey(),
  name: text().notNull(),
  description: text(),
  filters: jsonb().$type<EndpointFilters>().notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type EndpointGroup = typeof endpointGroup.$inferSelect

const projectEndpointGroup = pgTable(
  'project_endpoint_group',
  { projectId: text('project_id').notNull(), endpointGroupId: text('endpoint_group_id').notNull() },
  (t) => [primaryKey({ columns: [t.projectId, t.endpointGroupId] })],
)
const projectEndpoint = pgTable(
  'project_endpoint',
  { projectId: text('project_id').notNull(), endpointId: text('endpoint_id').notNull() },
  (t) => [primaryKey({ columns: [t.projectId, t.endpointId] })],
)

export async function findEndpointGroup(db: Db, id: string): Promise<EndpointGroup | undefined> {
  const [row] = await db.select().from(endpointGroup).where(eq(endpointGroup.id, id))
  return row
}
export function listEndpointGroups(db: Db, name: string | undefined): Promise<EndpointGroup[]> {
  return db
    .select()
    .from(endpointGroup)
    .where(name === undefined ? undefined : eq(endpointGroup.name, name))
    .orderBy(endpointGroup.id)
}
type NewEndpointGroup = Pick<EndpointGroup, 'name' | 'description' | 'filters'>
export async function insertEndpointGroup(tx: Tx, spec: NewEndpointGroup): Promise<EndpointGroup> {
  const [row] = await tx
    .insert(endpointGroup)
    .values({ ...spec, id: newHexId() })
    .returning()
  return row ?? bug('insert returned nothing')
}
export async function updateEndpointGroup(
  tx: Tx,
  id: string,
  change: Partial<NewEndpointGroup>,
): Promise<EndpointGroup> {
  const [row] = await tx
    .update(endpointGroup)
    .set({ id, ...change })
    .where(eq(endpointGroup.id, id))
    .returning()
  return row ?? notFound('Endpoint group', id)
}
export async function removeEndpointGroup(tx: Tx, id: string): Promise<void> {
  await tx.delete(endpointGroup).where(eq(endpointGroup.id, id))
}

/** The endpoints that a group's filters choose. */
export function listEndpointsOf(db: Db, { filters }: Pick<EndpointGroup, 'filters'>): Promise<Endpoint[]> {
  return db
    .select()
    .from(endpoint)
    .where(
      and(
        filters.interface === undefined ? undefined : sql`${endpoint.interface} = ${filters.interface}`,
        filters.service_id === undefined ? undefined : eq(endpoint.serviceId, filters.service_id),
        filters.region_id === undefined ? undefined : eq(endpoint.regionId, filters.region_id),
      ),
    )
    .orderBy(endpoint.id)
}

export async function addGroupToProject(tx: Tx, projectId: string, endpointGroupId: string): Promise<void> {
  await tx.insert(projectEndpointGroup).values({ projectId, endpointGroupId }).onConflictDoNothing()
}
export async function removeGroupFromProject(tx: Tx, projectId: string, endpointGroupId: string): Promise<boolean> {
  const gone = await tx
    .delete(projectEndpointGroup)
    .where(
      and(eq(projectEndpointGroup.projectId, projectId), eq(projectEndpointGroup.endpointGroupId, endpointGroupId)),
    )
    .returning()
  return gone.length > 0
}
export async function groupsOfProject(db: Db, projectId: string): Promise<EndpointGroup[]> {
  const rows = await db
    .select({ row: endpointGroup })
    .from(endpointGroup)
    .innerJoin(projectEndpointGroup, eq(projectEndpointGroup.endpointGroupId, endpointGroup.id))
    .where(eq(projectEndpointGroup.projectId, projectId))
    .orderBy(endpointGroup.id)
  return rows.map(({ row }) => row)
}
export async function projectsOfGroup(db: Db, endpointGroupId: string): Promise<Project[]> {
  const rows = await db
    .select({ row: project })
    .from(project)
    .innerJoin(projectEndpointGroup, eq(projectEndpointGroup.projectId, project.id))
    .where(eq(projectEndpointGroup.endpointGroupId, endpointGroupId))
    .orderBy(project.id)
  return rows.map(({ row }) => row)
}

export async function addEndpointToProject(tx: Tx, projectId: string, endpointId: string): Promise<void> {
  await tx.insert(projectEndpoint).values({ projectId, endpointId }).onConflictDoNothing()
}
export async function removeEndpointFromProject(tx: Tx, projectId: string, endpointId: string): Promise<boolean> {
  const gone = await tx
    .delete(projectEndpoint)
    .where(and(eq(projectEndpoint.projectId, projectId), eq(projectEndpoint.endpointId, endpointId)))
    .returning()
  return gone.length > 0
}
export async function hasEndpoint(db: Db, projectId: string, endpointId: string): Promise<boolean> {
  const rows = await db
    .select()
    .from(projectEndpoint)
    .where(and(eq(projectEndpoint.projectId, projectId), eq(projectEndpoint.endpointId, endpointId)))
  return rows.length > 0
}
export async function projectsOfEndpoint(db: Db, endpointId: string): Promise<Project[]> {
  const rows = await db
    .select({ row: project })
    .from(project)
    .innerJoin(projectEndpoint, eq(projectEndpoint.projectId, project.id))
    .where(eq(projectEndpoint.endpointId, endpointId))
    .orderBy(project.id)
  return rows.map(({ row }) => row)
}

/** The endpoints that a project was given, one by one or through a group. */
export async function endpointsOfProject(db: Db, projectId: string): Promise<Endpoint[]> {
  const ids = (await readEndpointFilters(db)).get(projectId)
  if (!ids || ids.size === 0) return []
  const rows = await db.select().from(endpoint).orderBy(endpoint.id)
  return rows.filter(({ id }) => ids.has(id))
}

/** For each project that does not see everything: the endpoints that it sees. */
export async function readEndpointFilters(db: Db): Promise<Map<string, Set<string>>> {
  const rows = await db.rows<{ projectId: string; endpointId: string | null }>(sql`
    select pg.project_id as "projectId", e.id as "endpointId"
    from project_endpoint_group pg join endpoint_group g on g.id = pg.endpoint_group_id
    left join endpoint e on (g.filters->>'interface' is null or e.interface = g.filters->>'interface')
      and (g.filters->>'service_id' is null or e.service_id = g.filters->>'service_id')
      and (g.filters->>'region_id' is null or e.region_id = g.filters->>'region_id')
    union
    select project_id, endpoint_id from project_endpoint`)
  const found = new Map<string, Set<string>>()
  for (const { projectId, endpointId } of rows) {
    const ids = found.get(projectId) ?? new Set()
    if (endpointId !== null) ids.add(endpointId)
    found.set(projectId, ids)
  }
  return found
}
