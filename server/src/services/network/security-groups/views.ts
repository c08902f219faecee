import { view, type Viewer } from '#lib/view.ts'
import { cidrOf, formatCidr } from '../addresses.ts'
import type { SecurityGroup, SecurityGroupRule } from '../model.ts'
import { ownerShown, standard, time } from '../rest/fields.ts'

export const ruleView = view<SecurityGroupRule>(['security_group_rule', 'security_group_rules'], {
  id: (r) => r.id,
  ...ownerShown,
  security_group_id: (r) => r.groupId,
  direction: (r) => r.direction,
  ethertype: (r) => r.etherType,
  protocol: (r) => r.protocol,
  port_range_min: (r) => r.portMin,
  port_range_max: (r) => r.portMax,
  remote_ip_prefix: (r) => r.remoteCidr,
  normalized_cidr: (r) => (r.remoteCidr === null ? null : formatCidr(cidrOf(r.remoteCidr))),
  remote_group_id: (r) => r.remoteGroupId,
  description: (r) => r.description,
  created_at: (r) => time(r.createdAt),
  updated_at: (r) => time(r.updatedAt),
  revision_number: (r) => r.revision,
})

export interface ShownGroup extends SecurityGroup {
  rules: SecurityGroupRule[]
  shared: boolean
}
export const groupView = view<ShownGroup>(['security_group', 'security_groups'], {
  id: (g) => g.id,
  name: (g) => g.name,
  stateful: (g) => g.stateful,
  ...ownerShown,
  security_group_rules: (g, viewer: Viewer) => g.rules.map((rule) => ruleView.item(rule, viewer)),
  shared: (g) => g.shared,
  ...standard,
})
