// Who besides the owner may use a thing: Neutron's RBAC policies. `shared` and `external` of the things themselves say
// what the policies for everyone (`*`) say; both change together, here.
import { and, type Db, eq, inArray, ne, or, sql, type SQL, type Tx } from '#lib/db.ts'
import { conflict } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { type RbacPolicy, rbacPolicy } from '../model.ts'

export const everyProject = '*'
type ObjectType = RbacPolicy['objectType']
type Action = RbacPolicy['action']

/** Gives a network to every project, as `shared` or `router:external` do. */
export async function grantToAll(
  tx: Tx,
  { id, region, projectId }: { id: string; region: string; projectId: string },
  action: Action,
  objectType: ObjectType = 'network',
): Promise<void> {
  await tx
    .insert(rbacPolicy)
    .values({ id: newId(), region, projectId, objectType, objectId: id, action, targetProject: everyProject })
    .onConflictDoNothing()
}

export async function revokeFromAll(tx: Tx, objectId: string, action: Action): Promise<void> {
  await tx
    .delete(rbacPolicy)
    .where(
      and(eq(rbacPolicy.objectId, objectId), eq(rbacPolicy.action, action), eq(rbacPolicy.targetProject, everyProject)),
    )
}

/** When the thing itself goes. */
export async function removeGrants(tx: Tx, objectId: string): Promise<void> {
  await tx.delete(rbacPolicy).where(eq(rbacPolicy.objectId, objectId))
}

/** A condition: the row with this id is shared with the project by a policy of its own. */
export function granted(id: SQL | { getSQL(): SQL }, projectId: string, action: Action = 'access_as_shared'): SQL {
  return sql`exists (select 1 from rbac_policy r where r.object_id = ${id} and r.action = ${action}
    and r.target_project in (${projectId}, ${everyProject}))`
}

/**
 * Throws conflict when a project would lose a network on which it has ports: `lost` is the project, or `*`, that a policy
 * names; what other policies still grant does not count as lost.
 */
export async function requireUnusedGrant(
  tx: Tx,
  network: { id: string; projectId: string },
  lost: string,
): Promise<void> {
  const [user] = await tx.rows<{ project_id: string }>(sql`
    select p.project_id from port p
    where p.network_id = ${network.id} and p.project_id not in (${network.projectId}, '')
      and p.device_owner not in ('network:floatingip', 'network:router_gateway', 'network:dhcp')
      and ${lost === everyProject ? sql`true` : sql`p.project_id = ${lost}`}
      and not exists (select 1 from rbac_policy r where r.object_id = ${network.id} and r.action = 'access_as_shared'
        and r.target_project <> ${lost} and r.target_project in (p.project_id, ${everyProject}))
    limit 1`)
  if (user)
    conflict(`Unable to reconfigure sharing settings for network ${network.id}. Multiple projects are using it.`, {
      code: 'InvalidSharedSetting',
    })
}

export async function policiesOf(db: Db, objectIds: readonly string[], projectId: string): Promise<RbacPolicy[]> {
  if (objectIds.length === 0) return []
  return db
    .select()
    .from(rbacPolicy)
    .where(
      and(
        inArray(rbacPolicy.objectId, [...objectIds]),
        or(eq(rbacPolicy.targetProject, projectId), eq(rbacPolicy.targetProject, everyProject)),
        ne(rbacPolicy.action, 'access_as_external'),
      ),
    )
}
