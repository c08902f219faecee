import { and, type Db, eq, type SQL, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { forbidden, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { removeIdentityProvidersOf } from '../federation/identity-providers/model.ts'
import { requireMutable } from '../immutable.ts'
import { matching, type TextFilter } from '../matching.ts'
import { group, type Project, project, role, user } from '../model.ts'
import { listDescendants, removeProject } from '../projects/model.ts'
import { removeUser } from '../users/model.ts'

export const defaultDomainId = 'default'

export async function findDomain(db: Db, id: string): Promise<Project | undefined> {
  const [row] = await db
    .select()
    .from(project)
    .where(and(eq(project.id, id), eq(project.isDomain, true)))
  return row
}
/** Throws notFound. */
export async function getDomain(db: Db, id: string): Promise<Project> {
  return (await findDomain(db, id)) ?? notFound('Domain', id)
}

export function listDomains(
  db: Db,
  filter: { text: TextFilter<'name'>[]; enabled: boolean | undefined; only?: string | undefined },
  page: Page,
) {
  const where: SQL | undefined = and(
    eq(project.isDomain, true),
    filter.enabled === undefined ? undefined : eq(project.enabled, filter.enabled),
    filter.only === undefined ? undefined : eq(project.id, filter.only),
    matching({ name: project.name }, filter.text),
  )
  return listPage(db, project, project.id, where, page)
}

/** With all that is in it. Throws forbidden while it is enabled, and for the default domain. */
export async function deleteDomain(tx: Tx, row: Project): Promise<void> {
  requireMutable('domain', row)
  if (row.id === defaultDomainId) forbidden('The default domain cannot be deleted.')
  if (row.enabled) forbidden('Cannot delete a domain that is enabled: disable it first.')
  await removeIdentityProvidersOf(tx, row.id)
  for (const each of await tx.select().from(user).where(eq(user.domainId, row.id))) await removeUser(tx, each)
  for (const each of await tx.select().from(group).where(eq(group.domainId, row.id))) {
    await tx.rows(sql`delete from role_assignment where actor_kind = 'group' and actor_id = ${each.id}`)
    await tx.delete(group).where(eq(group.id, each.id))
    await emit(tx, { type: 'group.deleted', resourceId: each.id })
  }
  await tx.delete(role).where(eq(role.domainId, row.id))
  for (const each of (await listDescendants(tx, row.id)).toReversed()) await removeProject(tx, each)
  await removeProject(tx, row)
}
