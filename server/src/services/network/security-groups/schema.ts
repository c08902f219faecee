import { type Static, Type } from 'typebox'
import { strict } from '#lib/http/schema.ts'
import { Bool, Description, Id, Name, nullable, owner } from '../rest/fields.ts'
import { oneOrMany, only } from '../rest/schema.ts'

const group = { description: Type.Optional(Description), stateful: Type.Optional(Bool) }
const GroupCreate = strict({ ...group, ...owner, name: Type.Optional(Name) })
export type GroupCreate = Static<typeof GroupCreate>
export const CreateGroups = oneOrMany('security_group', 'security_groups', GroupCreate)
export const UpdateGroup = only('security_group', strict({ ...group, name: Type.Optional(Name) }))

const Port = nullable(Type.Union([Type.Integer(), Type.String({ pattern: '^-?\\d{1,9}$' })]))
const RuleCreate = strict({
  ...owner,
  security_group_id: Id,
  direction: Type.Enum(['ingress', 'egress']),
  ethertype: Type.Optional(nullable(Type.String({ maxLength: 40 }))),
  protocol: Type.Optional(nullable(Type.Union([Type.Integer(), Type.String({ maxLength: 40 })]))),
  port_range_min: Type.Optional(Port),
  port_range_max: Type.Optional(Port),
  remote_ip_prefix: Type.Optional(nullable(Type.String({ maxLength: 64 }))),
  remote_group_id: Type.Optional(nullable(Type.String({ maxLength: 64 }))),
  remote_address_group_id: Type.Optional(Type.Null()),
  description: Type.Optional(nullable(Description)),
})
export type RuleCreate = Static<typeof RuleCreate>
export const CreateRules = oneOrMany('security_group_rule', 'security_group_rules', RuleCreate)
