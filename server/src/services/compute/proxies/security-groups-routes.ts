// `os-security-groups` and their rules, until 2.35: the network service's groups as nova-network showed them.
import { Type } from 'typebox'
import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { nullable, strict } from '#lib/http/schema.ts'
import { isUuid } from '#lib/id.ts'
import {
  addIngress,
  deleteGroup,
  groupWithRules,
  type GroupWithRules,
  type IngressRule,
  newGroup,
  projectGroups,
  removeIngress,
  updateGroup,
} from '#network'
import { askerOf, conflictAsInvalid, lastProxy } from './asker.ts'

const until = lastProxy
const Text = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' })
const Group = strict({
  security_group: strict({ name: Text, description: Type.Optional(nullable(Type.String({ maxLength: 255 }))) }),
})
const PortNumber = Type.Optional(
  Type.Union([Type.Integer(), Type.String({ pattern: '^-?[0-9]+$', maxLength: 6 }), Type.Null()]),
)
const Rule = strict({
  security_group_rule: strict({
    parent_group_id: Type.Union([Type.String(), Type.Integer()]),
    ip_protocol: Type.Optional(nullable(Type.String({ maxLength: 20 }))),
    from_port: PortNumber,
    to_port: PortNumber,
    cidr: Type.Optional(nullable(Type.String({ maxLength: 64 }))),
    group_id: Type.Optional(nullable(Type.String())),
  }),
})

export function showRule(rule: IngressRule) {
  const open = rule.protocol !== null && rule.portMin === null && rule.portMax === null
  const ported = ['tcp', 'udp'].includes(rule.protocol ?? '')
  return {
    id: rule.id,
    parent_group_id: rule.groupId,
    ip_protocol: rule.protocol,
    from_port: open ? (ported ? 1 : -1) : rule.portMin,
    to_port: open ? (ported ? 65_535 : -1) : rule.portMax,
    group: rule.peer ? { tenant_id: rule.peer.projectId, name: rule.peer.name } : {},
    ip_range: rule.peer ? {} : { cidr: rule.cidr },
  }
}
export function showGroup({ id, name, description, projectId, rules }: GroupWithRules) {
  return { id, name, description, tenant_id: projectId, rules: rules.map(showRule) }
}

const target = (req: Request) => groupWithRules(req.db, req.region, requireId(req.params['group']!), askerOf(req))
function requireId(id: string): string {
  return isUuid(id) ? id : invalid(`Security group id ${id} is not a uuid.`)
}

export const securityGroupRoutes = [
  route({
    method: 'GET',
    path: '/os-security-groups',
    until,
    policy: 'os_compute_api:os-security-groups:get',
    async handle(req) {
      const all = one(req.query, 'all_tenants') !== undefined && req.actor.isAdmin
      const { projectId } = askerOf(req)
      const groups = await req.db.transaction((tx) => projectGroups(tx, req.region, all ? null : projectId))
      return { security_groups: groups.map(showGroup) }
    },
  }),
  route({
    method: 'POST',
    path: '/os-security-groups',
    until,
    policy: 'os_compute_api:os-security-groups:create',
    body: Group,
    async handle(req) {
      const { name, description } = req.body.security_group
      const spec = { projectId: askerOf(req).projectId, name: name.trim(), description: description ?? '' }
      const made = await req.db.transaction((tx) => newGroup(tx, req, spec)).catch(conflictAsInvalid)
      return { security_group: showGroup(made) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-security-groups/:group',
    until,
    policy: 'os_compute_api:os-security-groups:show',
    target,
    handle: async (_req, group) => ({ security_group: showGroup(group) }),
  }),
  route({
    method: 'PUT',
    path: '/os-security-groups/:group',
    until,
    policy: 'os_compute_api:os-security-groups:update',
    body: Group,
    target,
    async handle(req, group) {
      const { name, description } = req.body.security_group
      const change = { name: name.trim(), ...(typeof description === 'string' && { description }) }
      await req.db.transaction((tx) => updateGroup(tx, req, group.id, change)).catch(conflictAsInvalid)
      return { security_group: showGroup(await groupWithRules(req.db, req.region, group.id, askerOf(req))) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-security-groups/:group',
    until,
    policy: 'os_compute_api:os-security-groups:delete',
    target,
    async handle(req, group) {
      await req.db.transaction((tx) => deleteGroup(tx, req, group.id, req.actor.isAdmin)).catch(conflictAsInvalid)
      return reply({ status: 202 })
    },
  }),
  route({
    method: 'POST',
    path: '/os-security-group-rules',
    until,
    policy: 'os_compute_api:os-security-groups:rule:create',
    body: Rule,
    async handle(req) {
      const asked = req.body.security_group_rule
      // -1 was "any" for ICMP's type and code
      const port = (value: number | string | null | undefined) =>
        value === null || value === undefined || Number(value) === -1 ? null : Number(value)
      const peerId = asked.group_id ?? null
      const wish = {
        groupId: requireId(String(asked.parent_group_id)),
        protocol: asked.ip_protocol ?? null,
        portMin: port(asked.from_port),
        portMax: port(asked.to_port),
        cidr: peerId === null ? asked.cidr || '0.0.0.0/0' : null,
        peerId: peerId === null ? null : requireId(peerId),
      }
      const made = await req.db.transaction((tx) => addIngress(tx, req, wish, askerOf(req))).catch(conflictAsInvalid)
      return { security_group_rule: showRule(made) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-security-group-rules/:rule',
    until,
    policy: 'os_compute_api:os-security-groups:rule:delete',
    async handle(req) {
      const id = requireId(req.params['rule']!)
      await req.db.transaction((tx) => removeIngress(tx, req, id, askerOf(req)))
      return reply({ status: 202 })
    },
  }),
]
