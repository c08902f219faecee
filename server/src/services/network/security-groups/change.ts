import { and, eq, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { At } from '../at.ts'
import { hostsAround, hostsOfGroups, tellHosts } from '../hosts/changed.ts'
import { port, securityGroup, type SecurityGroup, securityGroupRule, type SecurityGroupRule } from '../model.ts'
import { removeGrants } from '../rbac/model.ts'
import { insertEgressRules } from './default.ts'
import { type RuleRead, ruleExists } from './rules.ts'

export interface NewGroup {
  projectId: string
  name: string
  description: string
  stateful: boolean
}

/** With the two rules that let all traffic leave. */
export async function createGroup(tx: Tx, at: At, spec: NewGroup): Promise<SecurityGroup> {
  if (spec.name === 'default')
    conflict('Default security group already exists.', { code: 'SecurityGroupDefaultAlreadyExists' })
  const [row] = await tx
    .insert(securityGroup)
    .values({ ...spec, id: newId(), region: at.region })
    .returning()
  await insertEgressRules(tx, row!)
  await emit(tx, { type: 'security_group.created', resourceId: row!.id, projectId: spec.projectId, region: at.region })
  return row!
}

async function lockGroup(tx: Tx, at: At, id: string): Promise<SecurityGroup> {
  const [found] = await tx
    .select()
    .from(securityGroup)
    .where(and(eq(securityGroup.region, at.region), eq(securityGroup.id, id)))
    .for('update')
  return found ?? notFound('Security Group', id)
}

const isUsed = async (tx: Tx, id: string) => {
  const rows = await tx
    .select({ id: port.id })
    .from(port)
    .where(sql`${port.securityGroupIds} @> ${`{${id}}`}::uuid[]`)
    .limit(1)
  return rows.length > 0
}

export async function updateGroup(
  tx: Tx,
  at: At,
  id: string,
  change: Partial<Pick<SecurityGroup, 'name' | 'description' | 'stateful'>>,
): Promise<SecurityGroup> {
  const before = await lockGroup(tx, at, id)
  if (before.isDefault && change.name !== undefined && change.name !== before.name)
    conflict('Updating default security group not allowed.', { code: 'SecurityGroupCannotUpdateDefault' })
  if (!before.isDefault && change.name === 'default')
    conflict('Default security group already exists.', { code: 'SecurityGroupDefaultAlreadyExists' })
  if (change.stateful !== undefined && change.stateful !== before.stateful && (await isUsed(tx, id)))
    conflict(`Security Group ${id} in use.`, { code: 'SecurityGroupInUse' })
  const [after] = await tx
    .update(securityGroup)
    .set({ ...change, revision: sql`${securityGroup.revision} + 1`, updatedAt: sql`now()` })
    .where(eq(securityGroup.id, id))
    .returning()
  return after!
}

/** Throws conflict while a port has it, and for the default group unless an administrator asks. */
export async function deleteGroup(tx: Tx, at: At, id: string, isAdmin: boolean): Promise<void> {
  const found = await lockGroup(tx, at, id)
  if (found.isDefault && !isAdmin)
    conflict('Insufficient rights for removing default security group.', { code: 'SecurityGroupCannotRemoveDefault' })
  if (await isUsed(tx, id)) conflict(`Security Group ${id} in use.`, { code: 'SecurityGroupInUse' })
  const watching = await hostsAround(tx, at.region, [], [id])
  await removeGrants(tx, id)
  await tx.delete(securityGroup).where(eq(securityGroup.id, id))
  tellHosts(tx, at, watching)
  await emit(tx, { type: 'security_group.deleted', resourceId: id, projectId: found.projectId, region: at.region })
}

/** Throws conflict when the group has such a rule. */
export async function createRule(
  tx: Tx,
  at: At,
  group: SecurityGroup,
  rule: RuleRead & { description: string; projectId: string },
): Promise<SecurityGroupRule> {
  const [row] = await tx
    .insert(securityGroupRule)
    .values({ ...rule, id: newId(), region: at.region, groupId: group.id })
    .returning()
    .catch((error: unknown) => {
      if (isDuplicate(error, 'security_group_rule_once')) return ruleExists()
      throw error
    })
  await touch(tx, at, group.id)
  await emit(tx, {
    type: 'security_group_rule.created',
    resourceId: row!.id,
    projectId: rule.projectId,
    region: at.region,
  })
  return row!
}

export async function deleteRule(tx: Tx, at: At, rule: SecurityGroupRule): Promise<void> {
  await tx.delete(securityGroupRule).where(eq(securityGroupRule.id, rule.id))
  await touch(tx, at, rule.groupId)
  await emit(tx, {
    type: 'security_group_rule.deleted',
    resourceId: rule.id,
    projectId: rule.projectId,
    region: at.region,
  })
}

async function touch(tx: Tx, at: At, groupId: string): Promise<void> {
  await tx
    .update(securityGroup)
    .set({ revision: sql`${securityGroup.revision} + 1`, updatedAt: sql`now()` })
    .where(eq(securityGroup.id, groupId))
  tellHosts(tx, at, await hostsOfGroups(tx, at.region, [groupId]))
}
