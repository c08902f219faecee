import { and, type Db, eq, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { forbidden, invalid } from '#lib/fault.ts'
import { type Project, type Role, role, type RoleAssignment, roleAssignment } from '../model.ts'

/** Who has which role where; the target of the system is ''. */
export type Grant = RoleAssignment

const sameAs = (grant: Omit<Grant, 'roleId'>) =>
  and(
    eq(roleAssignment.actorKind, grant.actorKind),
    eq(roleAssignment.actorId, grant.actorId),
    eq(roleAssignment.targetKind, grant.targetKind),
    eq(roleAssignment.targetId, grant.targetId),
    eq(roleAssignment.inherited, grant.inherited),
  )

/** Throws forbidden (or invalid, for the system) for a role of another domain than the target's. */
export async function insertGrant(
  tx: Tx,
  grant: Grant,
  of: { role: Role; target: Project | undefined },
): Promise<void> {
  const { role: given, target } = of
  if (given.domainId !== null) {
    if (!target) invalid(`The role ${given.id} is of one domain: it cannot be given on the system.`)
    if ((target.isDomain ? target.id : target.domainId) !== given.domainId)
      forbidden(`The role ${given.id} is of another domain than ${target.id}.`)
  }
  await tx.insert(roleAssignment).values(grant).onConflictDoNothing()
  await emit(tx, { type: 'role_assignment.created', resourceId: grant.actorId, payload: { ...grant } })
}

/** False when it was not there. */
export async function removeGrant(tx: Tx, grant: Grant): Promise<boolean> {
  const gone = await tx
    .delete(roleAssignment)
    .where(and(sameAs(grant), eq(roleAssignment.roleId, grant.roleId)))
    .returning()
  if (gone.length > 0)
    await emit(tx, { type: 'role_assignment.deleted', resourceId: grant.actorId, payload: { ...grant } })
  return gone.length > 0
}

export async function hasGrant(db: Db, grant: Grant): Promise<boolean> {
  const found = await db
    .select()
    .from(roleAssignment)
    .where(and(sameAs(grant), eq(roleAssignment.roleId, grant.roleId)))
  return found.length > 0
}

/** The roles given to this actor on this target, not those that come by other ways. */
export async function listGranted(db: Db, grant: Omit<Grant, 'roleId'>): Promise<Role[]> {
  const rows = await db
    .select({ role })
    .from(roleAssignment)
    .innerJoin(role, eq(role.id, roleAssignment.roleId))
    .where(sameAs(grant))
    .orderBy(role.name)
  return rows.map((row) => row.role)
}
