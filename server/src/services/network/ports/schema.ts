import { type Static, Type } from 'typebox'
import { strict } from '#lib/http/schema.ts'
import { Bool, Description, Dns, Id, Name, nullable, owner } from '../rest/fields.ts'
import { oneOrMany, only } from '../rest/schema.ts'

const Text = Type.String({ maxLength: 255 })
const FixedIp = strict({
  subnet_id: Type.Optional(nullable(Type.String({ maxLength: 64 }))),
  ip_address: Type.Optional(nullable(Type.String({ maxLength: 64 }))),
})
const Pair = strict({ ip_address: Type.String({ maxLength: 64 }), mac_address: Type.Optional(nullable(Text)) })
const DhcpOption = strict({
  opt_name: Type.String({ minLength: 1, maxLength: 64 }),
  opt_value: Type.Optional(nullable(Text)),
  ip_version: Type.Optional(Type.Union([Type.Literal(4), Type.Literal(6), Type.Literal('4'), Type.Literal('6')])),
})
const common = {
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  admin_state_up: Type.Optional(Bool),
  mac_address: Type.Optional(nullable(Text)),
  fixed_ips: Type.Optional(Type.Array(FixedIp, { maxItems: 64 })),
  device_id: Type.Optional(nullable(Text)),
  device_owner: Type.Optional(nullable(Text)),
  security_groups: Type.Optional(nullable(Type.Array(Id, { maxItems: 100, uniqueItems: true }))),
  allowed_address_pairs: Type.Optional(nullable(Type.Array(Pair, { maxItems: 1000 }))),
  extra_dhcp_opts: Type.Optional(nullable(Type.Array(DhcpOption, { maxItems: 100 }))),
  port_security_enabled: Type.Optional(Bool),
  dns_name: Type.Optional(Dns),
  dns_domain: Type.Optional(nullable(Dns)),
  'binding:host_id': Type.Optional(nullable(Text)),
  'binding:vnic_type': Type.Optional(Type.String({ maxLength: 64 })),
  'binding:profile': Type.Optional(nullable(Type.Record(Type.String(), Type.Unknown()))),
  qos_policy_id: Type.Optional(Type.Null()),
}
const PortCreate = strict({ ...common, ...owner, network_id: Id })
export type PortCreate = Static<typeof PortCreate>
export const CreatePorts = oneOrMany('port', 'ports', PortCreate)
const PortUpdate = strict(common)
export type PortUpdate = Static<typeof PortUpdate>
export const UpdatePort = only('port', PortUpdate)
