import { and, type Db, eq, inArray, isDuplicate, isNull, type SQL, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, forbidden, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { newHexId } from '#lib/id.ts'
import { requireMutable } from '../immutable.ts'
import { matching, type TextFilter } from '../matching.ts'
import { impliedRole, type Role, role } from '../model.ts'

export async function findRole(db: Db, id: string): Promise<Role | undefined> {
  const [row] = await db.select().from(role).where(eq(role.id, id))
  return row
}
/** Throws notFound. */
export async function getRole(db: Db, id: string): Promise<Role> {
  return (await findRole(db, id)) ?? notFound('Role', id)
}
/** Those of the ids that are roles. */
export async function listRolesById(db: Db, ids: readonly string[]): Promise<Role[]> {
  if (ids.length === 0) return []
  return db
    .select()
    .from(role)
    .where(inArray(role.id, [...ids]))
    .orderBy(role.name)
}
/** A role that is of no domain. */
export async function findGlobalRole(db: Db, name: string): Promise<Role | undefined> {
  const [row] = await db
    .select()
    .from(role)
    .where(and(eq(role.name, name), isNull(role.domainId)))
  return row
}

/** Roles of one domain, or those of none. */
export function listRoles(db: Db, filter: { text: TextFilter<'name'>[]; domainId: string | null }, page: Page) {
  const where: SQL | undefined = and(
    filter.domainId === null ? isNull(role.domainId) : eq(role.domainId, filter.domainId),
    matching({ name: role.name }, filter.text),
  )
  return listPage(db, role, role.id, where, page)
}

type NewRole = Pick<Role, 'name' | 'domainId' | 'description' | 'options' | 'extra'>

/** Throws conflict for a name in use. */
export async function insertRole(tx: Tx, spec: NewRole): Promise<Role> {
  const row = await unique(tx, spec.name, (inner) =>
    inner
      .insert(role)
      .values({ ...spec, id: newHexId() })
      .returning(),
  )
  await emit(tx, { type: 'role.created', resourceId: row.id })
  return row
}

/** Throws conflict for a name in use, forbidden for an immutable role. */
export async function updateRole(
  tx: Tx,
  row: Role,
  change: Partial<NewRole>,
  asked: { options?: Record<string, unknown> },
): Promise<Role> {
  requireMutable('role', row, asked)
  if (Object.keys(change).length === 0) return row
  const changed = await unique(tx, change.name ?? row.name, (inner) =>
    inner.update(role).set(change).where(eq(role.id, row.id)).returning(),
  )
  await emit(tx, { type: 'role.updated', resourceId: row.id })
  return changed
}

/** With all its assignments and implications. */
export async function removeRole(tx: Tx, row: Role): Promise<void> {
  requireMutable('role', row)
  await tx.delete(role).where(eq(role.id, row.id))
  await emit(tx, { type: 'role.deleted', resourceId: row.id })
}

/** Who has `prior` has `implied` too. Throws forbidden where that would give away too much. */
export async function imply(tx: Tx, prior: Role, implied: Role): Promise<void> {
  if (implied.name === 'admin') forbidden(`The role ${implied.id} cannot be implied by another one.`)
  if (prior.domainId === null && implied.domainId !== null)
    forbidden('A role of every domain cannot imply a role of one domain.')
  await tx.insert(impliedRole).values({ priorRoleId: prior.id, impliedRoleId: implied.id }).onConflictDoNothing()
}
/** False when it was not implied. */
export async function unimply(tx: Tx, priorRoleId: string, impliedRoleId: string): Promise<boolean> {
  const gone = await tx
    .delete(impliedRole)
    .where(and(eq(impliedRole.priorRoleId, priorRoleId), eq(impliedRole.impliedRoleId, impliedRoleId)))
    .returning()
  return gone.length > 0
}

/** What each prior role implies by itself; of all prior roles, or of one. */
export async function listImplied(db: Db, priorRoleId?: string): Promise<{ priorRoleId: string; implied: Role }[]> {
  const rows = await db
    .select()
    .from(impliedRole)
    .innerJoin(role, eq(role.id, impliedRole.impliedRoleId))
    .where(priorRoleId === undefined ? undefined : eq(impliedRole.priorRoleId, priorRoleId))
    .orderBy(impliedRole.priorRoleId, role.name)
  return rows.map((row) => ({ priorRoleId: row.implied_role.priorRoleId, implied: row.role }))
}

async function unique(tx: Tx, name: string, work: (inner: Tx) => Promise<Role[]>): Promise<Role> {
  try {
    const [row] = await tx.transaction(work)
    return row ?? bug('nothing was written')
  } catch (error) {
    if (isDuplicate(error)) conflict(`There is already a role named ${name}.`, { cause: error })
    throw error
  }
}

/** The roles and all global ones that follow from them. */
export async function withImplied(db: Db, roleIds: readonly string[]): Promise<string[]> {
  const ids = new Set(roleIds)
  const implied = await listImplied(db)
  // a Set grows while it is walked: what an implied role implies is reached too
  for (const id of ids)
    for (const each of implied) if (each.priorRoleId === id && each.implied.domainId === null) ids.add(each.implied.id)
  return [...ids]
}
