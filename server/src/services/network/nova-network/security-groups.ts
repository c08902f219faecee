// Security groups as compute's older API wants them: whole, with what rules say about who may come in.
import { and, type Db, eq, inArray, type Tx } from '#lib/db.ts'
import { Fault, notFound } from '#lib/fault.ts'
import { isUuid } from '#lib/id.ts'
import { requireQuota } from '#lib/quota.ts'
import type { Asker, At } from '../at.ts'
import { securityGroup, type SecurityGroup, securityGroupRule } from '../model.ts'
import { createGroup, createRule, deleteRule } from '../security-groups/change.ts'
import { ensureDefaultGroup } from '../security-groups/default.ts'
import { getGroup, rulesOf } from '../security-groups/model.ts'
import { readRule } from '../security-groups/rules.ts'

export interface IngressRule {
  id: string
  groupId: string
  protocol: string | null
  portMin: number | null
  portMax: number | null
  cidr: string
  /** The group whose members may come in; then `cidr` says nothing. */
  peer: { projectId: string; name: string } | null
}
export interface GroupWithRules {
  id: string
  name: string
  description: string
  projectId: string
  rules: IngressRule[]
}

async function withRules(db: Db, groups: readonly SecurityGroup[]): Promise<GroupWithRules[]> {
  const rules = await rulesOf(
    db,
    groups.map(({ id }) => id),
  )
  const peerIds = new Set([...rules.values()].flat().flatMap(({ remoteGroupId }) => remoteGroupId ?? []))
  const peers =
    peerIds.size === 0
      ? []
      : await db
          .select()
          .from(securityGroup)
          .where(inArray(securityGroup.id, [...peerIds]))
  const named = new Map(peers.map(({ id, projectId, name }) => [id, { projectId, name }]))
  return groups.map(({ id, name, description, projectId }) => ({
    id,
    name,
    description,
    projectId,
    rules: (rules.get(id) ?? [])
      .filter(({ direction }) => direction === 'ingress')
      .map((rule) => ({
        id: rule.id,
        groupId: rule.groupId,
        protocol: rule.protocol,
        portMin: rule.portMin,
        portMax: rule.portMax,
        cidr: rule.remoteCidr ?? (rule.etherType === 'IPv6' ? '::/0' : '0.0.0.0/0'),
        peer: (rule.remoteGroupId !== null && named.get(rule.remoteGroupId)) || null,
      })),
  }))
}

/** The project's groups, or (null) those of all projects. A project has a default group from the first look on. */
export async function projectGroups(tx: Tx, region: string, projectId: string | null): Promise<GroupWithRules[]> {
  if (projectId !== null) await ensureDefaultGroup(tx, region, projectId)
  const rows = await tx
    .select()
    .from(securityGroup)
    .where(
      and(eq(securityGroup.region, region), projectId === null ? undefined : eq(securityGroup.projectId, projectId)),
    )
    .orderBy(securityGroup.id)
    .limit(1000)
  return withRules(tx, rows)
}

/** Throws notFound. */
export async function groupWithRules(db: Db, region: string, id: string, asker: Asker): Promise<GroupWithRules> {
  const [shown] = await withRules(db, [await getGroup(db, region, id, asker)])
  return shown!
}

/** Groups by their ids, whoever owns them. */
export async function groupsWithRules(db: Db, region: string, ids: readonly string[]): Promise<GroupWithRules[]> {
  if (ids.length === 0) return []
  const rows = await db
    .select()
    .from(securityGroup)
    .where(and(eq(securityGroup.region, region), inArray(securityGroup.id, [...ids])))
    .orderBy(securityGroup.id)
  return withRules(db, rows)
}

/** Throws overQuota, conflict. */
export async function newGroup(
  tx: Tx,
  at: At,
  spec: Pick<GroupWithRules, 'projectId' | 'name' | 'description'>,
): Promise<GroupWithRules> {
  await ensureDefaultGroup(tx, at.region, spec.projectId)
  const scope = { service: 'network', region: at.region, projectId: spec.projectId }
  await requireQuota(tx, scope, { security_group: 1, security_group_rule: 2 })
  const [shown] = await withRules(tx, [await createGroup(tx, at, { ...spec, stateful: true })])
  return shown!
}

export interface NewIngress {
  groupId: string
  protocol: string | null
  portMin: number | null
  portMax: number | null
  cidr: string | null
  peerId: string | null
}

/** One more rule for traffic that comes in. Throws notFound, invalid, conflict, overQuota. */
export async function addIngress(tx: Tx, at: At, asked: NewIngress, asker: Asker): Promise<IngressRule> {
  const group = await getGroup(tx, at.region, asked.groupId, asker)
  if (asked.peerId !== null) await getGroup(tx, at.region, asked.peerId, asker)
  const rule = readRule({
    direction: 'ingress',
    etherType: asked.cidr?.includes(':') ? 'IPv6' : 'IPv4',
    protocol: asked.protocol,
    portMin: asked.portMin,
    portMax: asked.portMax,
    remoteCidr: asked.cidr,
    remoteGroupId: asked.peerId,
  })
  const { projectId } = group
  await requireQuota(tx, { service: 'network', region: at.region, projectId }, { security_group_rule: 1 })
  const made = await createRule(tx, at, group, { ...rule, description: '', projectId })
  const [shown] = await withRules(tx, [group])
  return shown!.rules.find(({ id }) => id === made.id)!
}

/** Throws notFound. */
export async function removeIngress(tx: Tx, at: At, id: string, asker: Asker): Promise<void> {
  const [found] = isUuid(id)
    ? await tx
        .select()
        .from(securityGroupRule)
        .where(and(eq(securityGroupRule.region, at.region), eq(securityGroupRule.id, id)))
    : []
  if (!found || (!asker.isAdmin && found.projectId !== asker.projectId)) return notFound('Rule', id)
  if (found.direction !== 'ingress') throw new Fault('notFound', `Rule ${id} is not about traffic that comes in.`)
  await deleteRule(tx, at, found)
}
