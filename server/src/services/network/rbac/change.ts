import { eq, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { conflict, invalid, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { Asker, At } from '../at.ts'
import { type RbacPolicy, rbacPolicy } from '../model.ts'
import { everyProject, requireUnusedGrant } from './model.ts'

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
  await requireUnused(tx, at, found)
  await tx.delete(rbacPolicy).where(eq(rbacPolicy.id, found.id))
  await writeFlags(tx, found)
}

export async function retargetPolicy(tx: Tx, at: At, found: RbacPolicy, targetProject: string): Promise<RbacPolicy> {
  if (targetProject === found.targetProject) return found
  if (targetProject !== everyProject) await requireUnused(tx, at, found)
  const [row] = await tx
    .update(rbacPolicy)
    .set({ targetProject })
    .where(eq(rbacPolicy.id, found.id))
    .returning()
    .catch(asDuplicate)
  await writeFlags(tx, row!)
  return row!
}

async function requireUnused(tx: Tx, at: At, found: RbacPolicy): Promise<void> {
  const object = await lockObject(tx, at, found)
  const inUse = (): never =>
    conflict(`RBAC policy on object ${found.objectId} cannot be removed because other objects depend on it.`, {
      code: 'RbacPolicyInUse',
    })
  const to = found.targetProject
  if (found.objectType === 'network' && found.action === 'access_as_shared')
    await requireUnusedGrant(tx, { id: object.id, projectId: object.project_id }, to).catch(inUse)
  else if (found.objectType === 'network') {
    const users = await tx.rows(sql`
      select 1 from router r where r.gateway_network_id = ${object.id} and r.project_id <> ${object.project_id}
        and (${to} = ${everyProject} or r.project_id = ${to}) and not exists (
          select 1 from rbac_policy o where o.object_id = ${object.id} and o.action = 'access_as_external'
            and o.id <> ${found.id} and o.target_project in (r.project_id, ${everyProject})) limit 1`)
    if (users.length > 0) inUse()
  } else if (found.objectType === 'security_group') {
    const users = await tx.rows(sql`
      select 1 from port p where p.security_group_ids @> ${`{${object.id}}`}::uuid[]
        and p.project_id <> ${object.project_id} and (${to} = ${everyProject} or p.project_id = ${to}) limit 1`)
    if (users.length > 0) inUse()
  } else {
    const column =
      found.objectType === 'subnetpool'
        ? sql`subnet s where s.subnet_pool_id`
        : sql`subnet_pool s where s.address_scope_id`
    const users = await tx.rows(sql`
      select 1 from ${column} = ${object.id} and s.project_id <> ${object.project_id}
        and (${to} = ${everyProject} or s.project_id = ${to}) limit 1`)
    if (users.length > 0) inUse()
  }
}

/** `shared` and `external` of the thing say what its policies say. */
async function writeFlags(tx: Tx, { objectType, objectId }: RbacPolicy): Promise<void> {
  const exists = (action: RbacPolicy['action'], target: string | undefined) =>
    sql`exists (select 1 from rbac_policy where object_id = ${objectId} and action = ${action}
      ${target === undefined ? sql`` : sql`and target_project = ${target}`})`
  if (objectType === 'network')
    await tx.rows(sql`update network set shared = ${exists('access_as_shared', everyProject)},
      external = ${exists('access_as_external', undefined)} where id = ${objectId}`)
  if (objectType === 'subnetpool' || objectType === 'address_scope')
    await tx.rows(sql`update ${tables[objectType]} set shared = ${exists('access_as_shared', everyProject)}
      where id = ${objectId}`)
}

function asDuplicate(error: unknown): never {
  if (isDuplicate(error, 'rbac_policy_once'))
    conflict('An RBAC policy already exists with those values.', { code: 'RbacPolicyExists' })
  throw error
}
