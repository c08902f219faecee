import { type Static, Type } from 'typebox'
import { strict } from '#lib/http/schema.ts'
import { addressModes } from '../model.ts'
import { Bool, Description, Id, Name, nullable, owner, Route } from '../rest/fields.ts'
import { oneOrMany, only } from '../rest/schema.ts'

const Address = Type.String({ maxLength: 64 })
const Pool = strict({ start: Address, end: Address })
const Mode = nullable(Type.Enum([...addressModes]))
const common = {
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  gateway_ip: Type.Optional(nullable(Address)),
  allocation_pools: Type.Optional(nullable(Type.Array(Pool, { maxItems: 100 }))),
  enable_dhcp: Type.Optional(Bool),
  dns_nameservers: Type.Optional(nullable(Type.Array(Address, { maxItems: 100 }))),
  host_routes: Type.Optional(nullable(Type.Array(Route, { maxItems: 1000 }))),
  service_types: Type.Optional(Type.Array(Type.String({ maxLength: 255 }), { maxItems: 50 })),
  dns_publish_fixed_ip: Type.Optional(Bool),
  segment_id: Type.Optional(Type.Null()),
}
const SubnetCreate = strict({
  ...common,
  ...owner,
  network_id: Id,
  ip_version: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6), Type.Literal('4'), Type.Literal('6')])),
  cidr: Type.Optional(nullable(Address)),
  subnetpool_id: Type.Optional(nullable(Id)),
  use_default_subnetpool: Type.Optional(Bool),
  prefixlen: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^\\d{1,3}$' })])),
  ipv6_ra_mode: Type.Optional(Mode),
  ipv6_address_mode: Type.Optional(Mode),
})
export type SubnetCreate = Static<typeof SubnetCreate>
export const CreateSubnets = oneOrMany('subnet', 'subnets', SubnetCreate)
const SubnetUpdate = strict(common)
export type SubnetUpdate = Static<typeof SubnetUpdate>
export const UpdateSubnet = only('subnet', SubnetUpdate)
