// Projects, and the domains that are projects of their own kind.
import { and, type Db, eq, inArray, isDuplicate, type SQL, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, forbidden, invalid, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { newHexId } from '#lib/id.ts'
import { requireMutable } from '../immutable.ts'
import { matching, type TextFilter } from '../matching.ts'
import { type Project, project, user } from '../model.ts'
import { actorsSql } from '../tokens/roles-of.ts'

/** Levels of projects below a domain, as Keystone's default has it. */
const maxDepth = 5
export const maxTags = 80

export async function findProject(db: Db, id: string): Promise<Project | undefined> {
  const [row] = await db.select().from(project).where(eq(project.id, id))
  return row
}
/** Throws notFound. */
export async function getProject(db: Db, id: string): Promise<Project> {
  return (await findProject(db, id)) ?? notFound('Project', id)
}

export interface ProjectFilter {
  text: TextFilter<'name' | 'domain_id' | 'parent_id'>[]
  enabled?: boolean | undefined
  isDomain: boolean
  /** Only of this domain: a domain-scoped token sees no other. */
  within?: string | undefined
  tags?: { all?: string[]; any?: string[]; notAll?: string[]; notAny?: string[] }
}

export function listProjects(db: Db, filter: ProjectFilter, page: Page) {
  const { tags = {} } = filter
  const array = (values: string[]): SQL =>
    sql`array[${sql.join(
      values.map((value) => sql`${value}`),
      sql`, `,
    )}]::text[]`
  const where = and(
    eq(project.isDomain, filter.isDomain),
    filter.enabled === undefined ? undefined : eq(project.enabled, filter.enabled),
    filter.within === undefined ? undefined : eq(project.domainId, filter.within),
    matching({ name: project.name, domain_id: project.domainId, parent_id: project.parentId }, filter.text),
    tags.all && sql`${project.tags} @> ${array(tags.all)}`,
    tags.any && sql`${project.tags} && ${array(tags.any)}`,
    tags.notAll && sql`not ${project.tags} @> ${array(tags.notAll)}`,
    tags.notAny && sql`not ${project.tags} && ${array(tags.notAny)}`,
  )
  return listPage(db, project, project.id, where, page)
}

/** Ancestors from the parent up, the domain last; none for a domain. */
export async function listAncestors(db: Db, id: string): Promise<Project[]> {
  const rows = await db.rows<{ id: string }>(sql`
    with recursive up (id, depth) as (
      select parent_id, 1 from project where id = ${id}
      union all select p.parent_id, up.depth + 1 from up join project p on p.id = up.id where up.depth < 20
    ) select id from up where id is not null order by depth`)
  return inOrder(db, rows)
}
/** Descendants, parents before their children. */
export async function listDescendants(db: Db, id: string): Promise<Project[]> {
  const rows = await db.rows<{ id: string }>(sql`
    with recursive down (id, depth) as (
      select id, 1 from project where parent_id = ${id}
      union all select p.id, down.depth + 1 from down join project p on p.parent_id = down.id where down.depth < 20
    ) select id from down order by depth, id`)
  return inOrder(db, rows)
}
async function inOrder(db: Db, ids: readonly { id: string }[]): Promise<Project[]> {
  if (ids.length === 0) return []
  const rows = await db
    .select()
    .from(project)
    .where(
      inArray(
        project.id,
        ids.map(({ id }) => id),
      ),
    )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap(({ id }) => byId.get(id) ?? [])
}

export interface NewProject {
  name: string
  domainId: string | null
  parentId: string | null
  isDomain: boolean
  description: string
  enabled: boolean
  tags: string[]
  options: Record<string, unknown>
  extra: Record<string, unknown>
}

/** Throws invalid for a parent that does not fit, forbidden when the tree would be too deep, conflict for a name in use. */
export async function insertProject(tx: Tx, spec: NewProject, id = newHexId()): Promise<Project> {
  if (spec.isDomain) {
    if (spec.parentId) invalid('Only a project without a parent can act as a domain.')
    requireDomainName(spec.name)
  } else await requirePlace(tx, spec)
  try {
    const [row] = await tx.transaction((inner) =>
      inner
        .insert(project)
        .values({ ...spec, name: spec.name.trim(), id })
        .returning(),
    )
    const made = row ?? bug('insert returned nothing')
    await emit(tx, { type: `${kindOf(made)}.created`, resourceId: id, projectId: made.isDomain ? null : id })
    return made
  } catch (error) {
    if (isDuplicate(error)) conflict(nameTaken(spec), { cause: error })
    throw error
  }
}

const kindOf = ({ isDomain }: { isDomain: boolean }) => (isDomain ? 'domain' : 'project')
const nameTaken = (spec: { name: string; isDomain: boolean }) =>
  spec.isDomain
    ? `There is already a domain named ${spec.name}.`
    : `There is already a project named ${spec.name} in this domain.`

/** Keystone keeps this name for users who come from other identity providers. */
function requireDomainName(name: string): void {
  if (name.trim().toLowerCase() === 'federated') invalid('A domain cannot be named Federated.')
}

async function requirePlace(tx: Tx, spec: NewProject): Promise<void> {
  const domain = await findProject(tx, spec.domainId ?? '')
  if (!domain?.isDomain) invalid(`Could not find domain: ${spec.domainId}.`)
  const parent = await findProject(tx, spec.parentId ?? domain.id)
  if (!parent) return invalid(`Could not find project: ${spec.parentId}.`)
  if ((parent.isDomain ? parent.id : parent.domainId) !== domain.id)
    invalid(`The parent ${parent.id} is not in the domain ${domain.id}.`)
  const above = [parent, ...(await listAncestors(tx, parent.id))]
  const disabled = above.find(({ enabled }) => !enabled)
  if (disabled) invalid(`Cannot make a project below ${disabled.id}, which is disabled.`)
  if (above.length > maxDepth) forbidden(`Projects can be nested ${maxDepth} levels deep and no deeper.`)
}

export type ProjectChange = Partial<Pick<Project, 'name' | 'description' | 'enabled' | 'tags' | 'options' | 'extra'>>

/** Throws forbidden where the state of the tree or immutability forbids it, conflict for a name in use. */
export async function updateProject(
  tx: Tx,
  row: Project,
  change: ProjectChange,
  asked: { options?: Record<string, unknown> },
): Promise<Project> {
  requireMutable(kindOf(row), row, asked)
  if (row.isDomain && change.name !== undefined) requireDomainName(change.name)
  if (change.enabled === true && !row.enabled) {
    const disabled = (await listAncestors(tx, row.id)).find(({ enabled }) => !enabled)
    if (disabled) forbidden(`Cannot enable project ${row.id}: ${disabled.id} above it is disabled.`)
  }
  if (change.enabled === false && row.enabled && !row.isDomain) {
    const enabled = (await listDescendants(tx, row.id)).find((each) => each.enabled)
    if (enabled) forbidden(`Cannot disable project ${row.id}: ${enabled.id} below it is enabled.`)
  }
  if (Object.keys(change).length === 0) return row
  try {
    const [changed] = await tx.transaction((inner) =>
      inner
        .update(project)
        .set({ ...change, ...(change.name !== undefined && { name: change.name.trim() }) })
        .where(eq(project.id, row.id))
        .returning(),
    )
    await emit(tx, { type: `${kindOf(row)}.updated`, resourceId: row.id, projectId: row.isDomain ? null : row.id })
    return changed ?? notFound('Project', row.id)
  } catch (error) {
    if (isDuplicate(error)) conflict(nameTaken({ ...row, name: change.name ?? row.name }), { cause: error })
    throw error
  }
}

/** Throws forbidden while something is below it, or while it is a domain that is enabled. */
export async function deleteProject(tx: Tx, row: Project): Promise<void> {
  requireMutable('project', row)
  const [below] = await tx.select({ id: project.id }).from(project).where(eq(project.parentId, row.id)).limit(1)
  if (below) forbidden(`Cannot delete project ${row.id}: project ${below.id} is below it.`)
  await removeProject(tx, row)
}

/** Removes the row and what refers to it; the caller has looked to what is below it. */
export async function removeProject(tx: Tx, row: Project): Promise<void> {
  await tx.rows(sql`delete from role_assignment where target_id = ${row.id} and target_kind in ('project', 'domain')`)
  await tx.rows(sql`delete from credential where project_id = ${row.id}`)
  await tx.update(user).set({ defaultProjectId: null }).where(eq(user.defaultProjectId, row.id))
  await tx.delete(project).where(eq(project.id, row.id))
  await emit(tx, { type: `${kindOf(row)}.deleted`, resourceId: row.id, projectId: row.isDomain ? null : row.id })
}

/** Those of `ids` that are projects in which the user has a role, inherited ones included. */
export async function rolesInSome(db: Db, userId: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const mine = new Set((await listProjectsOfUser(db, userId)).map(({ id }) => id))
  return new Set(ids.filter((id) => mine.has(id)))
}

/** Projects in which the user has a role: given, through a group, or inherited from above. Disabled ones too. */
export async function listProjectsOfUser(db: Db, userId: string): Promise<Project[]> {
  const ids = await db.rows<{ id: string }>(sql`
    with recursive mine as (
      select a.target_kind, a.target_id, a.inherited from ${actorsSql(userId)} who
      join role_assignment a on a.actor_id = who.id and a.actor_kind = who.kind
    ), below (id) as (
      select p.id from project p join mine m on m.inherited and p.parent_id = m.target_id
      union select p.id from project p join below b on p.parent_id = b.id
    )
    select target_id as id from mine where target_kind = 'project' and not inherited
    union select id from below order by id`)
  return inOrder(db, ids)
}

/** Domains in which the user has a role. */
export function listDomainsOfUser(db: Db, userId: string): Promise<Project[]> {
  return db
    .select()
    .from(project)
    .where(
      and(
        eq(project.isDomain, true),
        sql`${project.id} in (
          select a.target_id from ${actorsSql(userId)} who
          join role_assignment a on a.actor_id = who.id and a.actor_kind = who.kind
          where a.target_kind = 'domain' and not a.inherited)`,
      ),
    )
    .orderBy(project.id)
}
