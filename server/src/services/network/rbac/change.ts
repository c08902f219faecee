import { eq, isDuplicate, sql, type SQL, type Tx } from '#lib/db.ts'
import { conflict, invalid, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { Asker, At } from '../at.ts'
import { type RbacPolicy, rbacPolicy } from '../model.ts'
import { everyProject } from './model.ts'

const tables = {
  network: sql`network`,
  subnetpool: sql`subnet_pool`,
  address_scope: sql`address_scope`,
  security_group: sql`security_group`,
}

export type NewPolicy = Pick<RbacPolicy, 'projectId' | 'objectType' | 'objectId' | 'action' | 'targetProject'>

/** Shares a thing that the asker owns. Throws notFound, invalid, conflict. */
export async function createPolicy(tx: Tx, at: At, spec: NewPolicy, asker: Asker): Promise<RbacPolicy> {
  const object = await lockObject(tx, at, spec)
  if (!asker.isAdmin && object.project_id !== asker.projectId)
    invalid(`Only admins can manipulate policies on a ${spec.objectType} they do not own.`, { code: 'InvalidInput' })
  if (spec.action === 'access_as_external' && spec.objectType !== 'network')
    invalid(`The action access_as_external is for networks only.`, { code: 'InvalidInput' })
  const [row] = await tx
    .insert(rbacPolicy)
    .values({ ...spec, id: newId(), region: at.region })
    .returning()
    .catch(asDuplicate)
  await writeFlags(tx, row!)
  return row!
}

async function lockObject(
  tx: Tx,
  at: At,
  { objectType, objectId }: Pick<RbacPolicy, 'objectType' | 'objectId'>,
): Promise<{ id: string; project_id: string }> {
  const [found] = await tx.rows<{ id: string; project_id: string }>(sql`
    select id, project_id from ${tables[objectType]} where region = ${at.region} and id = ${objectId} for update`)
  return found ?? notFound('RBAC object', objectId)
}

/** Throws conflict while somebody uses what only this policy grants. */
export async function deletePolicy(tx: Tx, at: At, found: RbacPolicy): Promise<void> {
  await tx.delete(rbacPolicy).where(eq(rbacPolicy.id, found.id))
  await requireUnused(tx, at, found)
  await writeFlags(tx, found)
}

export async function retargetPolicy(tx: Tx, at: At, found: RbacPolicy, targetProject: string): Promise<RbacPolicy> {
  if (targetProject === found.targetProject) return found
  const [row] = await tx
    .update(rbacPolicy)
    .set({ targetProject })
    .where(eq(rbacPolicy.id, found.id))
    .returning()
    .catch(asDuplicate)
  if (targetProject !== everyProject) await requireUnused(tx, at, found)
  await writeFlags(tx, row!)
  return row!
}

/** Throws conflict when, without this policy, somebody uses the thing whom no other policy lets. */
async function requireUnused(tx: Tx, at: At, found: RbacPolicy): Promise<void> {
  const { project_id: owner } = await lockObject(tx, at, found)
  const { objectId: id, targetProject: to, action } = found
  const lost = (user: SQL) => sql`${user} not in (${owner}, '') and (${to} = ${everyProject} or ${user} = ${to})
    and not exists (select 1 from rbac_policy o where o.object_id = ${id} and o.action = ${action}
      and o.target_project in (${user}, ${everyProject}))`
  const users = await tx.rows(sql`select 1 ${usersOf(found, lost)} limit 1`)
  // the default external network is everybody's
  const defaults =
    action === 'access_as_external' && to === everyProject
      ? await tx.rows(sql`select 1 from network where id = ${id} and is_default`)
      : []
  if (users.length + defaults.length > 0)
    conflict(`RBAC policy on object ${id} cannot be removed because other objects depend on it.`, {
      code: 'RbacPolicyInUse',
    })
}

function usersOf({ objectType, objectId: id, action }: RbacPolicy, lost: (user: SQL) => SQL): SQL {
  if (objectType === 'subnetpool')
    return sql`from subnet s where s.subnet_pool_id = ${id} and ${lost(sql`s.project_id`)}`
  if (objectType === 'address_scope')
    return sql`from subnet_pool s where s.address_scope_id = ${id} and ${lost(sql`s.project_id`)}`
  if (objectType === 'security_group')
    return sql`from port p where p.security_group_ids @> ${`{${id}}`}::uuid[] and ${lost(sql`p.project_id`)}`
  if (action === 'access_as_external')
    return sql`from router r where r.gateway_network_id = ${id} and ${lost(sql`r.project_id`)}`
  return sql`from port p where p.network_id = ${id} and p.device_owner <> 'network:dhcp' and ${lost(sql`p.project_id`)}`
}

/** `shared` and `external` of the thing say what its policies say. */
async function writeFlags(tx: Tx, { objectType, objectId }: RbacPolicy): Promise<void> {
  const exists = (action: RbacPolicy['action'], target: string | undefined) =>
    sql`exists (select 1 from rbac_policy where object_id = ${objectId} and action = ${action}
      ${target === undefined ? sql`` : sql`and target_project = ${target}`})`
  if (objectType === 'network')
    await tx.rows(sql`update network set shared = ${exists('access_as_shared', everyProject)},
      external = ${exists('access_as_external', undefined)},
      revision = revision + 1, updated_at = now() where id = ${objectId}`)
  if (objectType === 'subnetpool' || objectType === 'address_scope')
    await tx.rows(sql`update ${tables[objectType]} set shared = ${exists('access_as_shared', everyProject)}
      where id = ${objectId}`)
}

function asDuplicate(error: unknown): never {
  if (isDuplicate(error, 'rbac_policy_once'))
    conflict('An RBAC policy already exists with those values.', { code: 'RbacPolicyExists' })
  throw error
}
