import { type Static, Type } from 'typebox'
import { strict } from '#lib/http/schema.ts'
import { Bool, Description, Name, nullable, owner, Zones } from '../rest/fields.ts'
import { oneOrMany, only } from '../rest/schema.ts'

const common = {
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  admin_state_up: Type.Optional(Bool),
  shared: Type.Optional(Bool),
  'router:external': Type.Optional(Bool),
  is_default: Type.Optional(Bool),
  mtu: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  port_security_enabled: Type.Optional(Bool),
  dns_domain: Type.Optional(Type.String({ maxLength: 255 })),
}
const NetworkCreate = strict({
  ...common,
  ...owner,
  availability_zone_hints: Type.Optional(Zones),
  'provider:network_type': Type.Optional(nullable(Type.String({ maxLength: 32 }))),
  'provider:physical_network': Type.Optional(nullable(Type.String({ maxLength: 64 }))),
  'provider:segmentation_id': Type.Optional(nullable(Type.Union([Type.Integer(), Type.String({ pattern: '^\\d+$' })]))),
})
export type NetworkCreate = Static<typeof NetworkCreate>
export const CreateNetworks = oneOrMany('network', 'networks', NetworkCreate)
export const UpdateNetwork = only('network', strict(common))
