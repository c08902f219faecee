import { projectOf } from '#lib/actor.ts'
import { and, eq, or, sql } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { requireQuota } from '#lib/quota.ts'
import { securityGroup, type SecurityGroup, securityGroupRule, type SecurityGroupRule } from '../model.ts'
import { aboutProject, aboutShareable } from '../policy.ts'
import { granted } from '../rbac/model.ts'
import { asked, askerOf, ownerOf } from '../rest/body.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { createRule, deleteRule } from './change.ts'
import { getGroup } from './model.ts'
import { readRule, type RuleRead } from './rules.ts'
import { CreateRules, type RuleCreate } from './schema.ts'
import { ruleView } from './views.ts'

const ruleFilters: Filters = {
  ...standardFilters(securityGroupRule),
  security_group_id: securityGroupRule.groupId,
  direction: securityGroupRule.direction,
  ethertype: securityGroupRule.etherType,
  protocol: securityGroupRule.protocol,
  port_range_min: securityGroupRule.portMin,
  port_range_max: securityGroupRule.portMax,
  remote_ip_prefix: securityGroupRule.remoteCidr,
  remote_group_id: securityGroupRule.remoteGroupId,
}

/** The project's own rules, and those of the groups that it may see. */
function rulesFor(projectId: string) {
  return or(
    eq(securityGroupRule.projectId, projectId),
    sql`exists (select 1 from security_group g where g.id = ${securityGroupRule.groupId}
      and g.project_id = ${projectId})`,
    granted(securityGroupRule.groupId, projectId),
  )!
}

interface Found {
  rule: SecurityGroupRule
  groupOwner: string
}
async function target(req: Request): Promise<Found> {
  const { isAdmin, projectId } = askerOf(req)
  const id = req.params['id']!
  const [found] = await req.db
    .select({ rule: securityGroupRule, groupOwner: securityGroup.projectId })
    .from(securityGroupRule)
    .innerJoin(securityGroup, eq(securityGroup.id, securityGroupRule.groupId))
    .where(
      and(
        eq(securityGroupRule.region, req.region),
        eq(securityGroupRule.id, id),
        isAdmin ? undefined : rulesFor(projectId),
      ),
    )
  return found ?? notFound('Security Group Rule', id)
}
/** What the rules of policy are asked about one of a group. */
function aboutRule(projectId: string, groupOwner: string, { actor }: Pick<Request, 'actor'>) {
  return {
    ...aboutShareable({ projectId: groupOwner }, { actor }),
    ...aboutProject(projectId),
    'security_group:project_id': groupOwner,
    'security_group:tenant_id': groupOwner,
  }
}
const policyTarget = ({ rule, groupOwner }: Found, req: Request) => aboutRule(rule.projectId, groupOwner, req)

interface Wanted {
  group: SecurityGroup
  rule: RuleRead & { description: string; projectId: string }
}

async function newRule(req: Request, body: RuleCreate): Promise<Wanted> {
  const rule = readRule({
    direction: body.direction,
    etherType: body.ethertype ?? undefined,
    protocol: body.protocol == null ? null : String(body.protocol),
    portMin: body.port_range_min == null ? null : Number(body.port_range_min),
    portMax: body.port_range_max == null ? null : Number(body.port_range_max),
    remoteCidr: body.remote_ip_prefix ?? null,
    remoteGroupId: body.remote_group_id?.toLowerCase() ?? null,
  })
  const group = await getGroup(req.db, req.region, body.security_group_id, askerOf(req))
  const projectId = ownerOf(req, body)
  req.require('create_security_group_rule', aboutRule(projectId, group.projectId, req))
  if (rule.remoteGroupId !== null) {
    if (!isUuid(rule.remoteGroupId)) notFound('Security Group', rule.remoteGroupId)
    await getGroup(req.db, req.region, rule.remoteGroupId, askerOf(req))
  }
  return { group, rule: { ...rule, description: body.description ?? '', projectId } }
}

export const securityGroupRuleRoutes = [
  route({
    method: 'GET',
    path: '/security-group-rules',
    policy: 'get_security_group_rule',
    policyTarget: (_none, req) => aboutRule(projectOf(req.actor), projectOf(req.actor), req),
    async handle(req) {
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${securityGroupRule.region} = ${req.region} and ${isAdmin ? sql`true` : rulesFor(projectId)}`
      const { rows, links } = await listRows(req, securityGroupRule, ruleFilters, where)
      return {
        security_group_rules: rows.map((row) => pick(req.query, ruleView.item(row, req.view))),
        ...(links && { security_group_rules_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/security-group-rules',
    policy: 'authenticated', // create_security_group_rule is asked for each one, about its group
    body: CreateRules,
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<RuleCreate>(req.body, 'security_group_rule', 'security_group_rules')
      if (new Set(items.map(({ security_group_id }) => security_group_id)).size > 1)
        invalid('Multiple rules in one request must be of one security group.', {
          code: 'SecurityGroupNotSingleGroupRules',
        })
      const wanted: Wanted[] = []
      for (const item of items) wanted.push(await newRule(req, item))
      const rows = await req.db.transaction(async (tx) => {
        for (const [projectId, all] of Map.groupBy(wanted, ({ rule }) => rule.projectId)) {
          const scope = { service: 'network', region: req.region, projectId }
          await requireQuota(tx, scope, { security_group_rule: all.length })
        }
        const made: SecurityGroupRule[] = []
        for (const { group, rule } of wanted) made.push(await createRule(tx, req, group, rule))
        return made
      })
      return bulk ? ruleView.list(rows, req.view) : ruleView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/security-group-rules/:id',
    policy: 'get_security_group_rule',
    target,
    policyTarget,
    handle: async (req, { rule: found }) => ({ security_group_rule: pick(req.query, ruleView.item(found, req.view)) }),
  }),
  route({
    method: 'DELETE',
    path: '/security-group-rules/:id',
    policy: 'delete_security_group_rule',
    target,
    policyTarget,
    async handle(req, { rule: found }) {
      await req.db.transaction((tx) => deleteRule(tx, req, found))
      return reply({ status: 204 })
    },
  }),
]
