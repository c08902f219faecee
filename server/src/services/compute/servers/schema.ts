import { isIPv4, isIPv6 } from 'node:net'
import { Type } from 'typebox'
import { Bool, Name, nullable, since, strict, until, Uuid } from '#lib/http/schema.ts'
import { Count, Metadata } from '../wire.ts'

const Description = nullable(Type.String({ maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }))
const DiskConfig = Type.Enum(['AUTO', 'MANUAL'])
const Base64 = Type.String({ maxLength: 65535, pattern: '^[A-Za-z0-9+/\\s]*={0,2}\\s*$' })
const Hostname = Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' })
const Label = Type.String({ minLength: 2, maxLength: 63, pattern: '^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$' })
export const Tag = Type.String({ minLength: 1, maxLength: 60, pattern: '^[^,/]*$' })
const IpV4 = Type.Refine(
  Type.String(),
  (value) => isIPv4(value),
  () => 'must be an IPv4 address',
)
const IpV6 = Type.Refine(
  Type.String(),
  (value) => isIPv6(value),
  () => 'must be an IPv6 address',
)
export const Ip = Type.Refine(
  Type.String(),
  (value) => isIPv4(value) || isIPv6(value),
  () => 'must be an IP address',
)
const Personality = Type.Array(strict({ path: Type.String({ maxLength: 1024 }), contents: Type.String() }))

const Network = strict({
  uuid: Type.Optional(Uuid),
  port: Type.Optional(nullable(Uuid)),
  fixed_ip: Type.Optional(Ip),
  tag: Type.Optional(since('2.32', Tag)),
})

/** Loosely read: there is no block storage, so only the forms that say no more than imageRef are possible. */
const BlockDevice = Type.Object({
  source_type: Type.Optional(Type.Enum(['volume', 'image', 'snapshot', 'blank'])),
  destination_type: Type.Optional(Type.Enum(['local', 'volume'])),
  uuid: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  boot_index: Type.Optional(
    Type.Union([Type.Integer(), Type.String({ pattern: '^-?[0-9]+$', maxLength: 10 }), Type.Null()]),
  ),
  delete_on_termination: Type.Optional(Bool),
})

const OneOrMany = Type.Union([Uuid, Type.Array(Uuid, { maxItems: 100 })])
const Hints = Type.Object({
  group: Type.Optional(Type.Union([Uuid, Type.Array(Uuid, { minItems: 1, maxItems: 1 })])),
  same_host: Type.Optional(OneOrMany),
  different_host: Type.Optional(OneOrMany),
  query: Type.Optional(Type.Union([Type.String(), Type.Object({}), Type.Array(Type.Unknown())])),
})

const Server = strict({
  name: Name,
  flavorRef: Type.Union([Type.String({ minLength: 1, maxLength: 1024 }), Type.Integer()]),
  imageRef: Type.Optional(Type.Union([Uuid, Type.Literal('')])),
  networks: Type.Optional(
    Type.Union([since('2.37', Type.Enum(['auto', 'none'])), Type.Array(Network, { maxItems: 64 })]),
  ),
  key_name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  user_data: Type.Optional(Base64),
  config_drive: Type.Optional(Bool),
  metadata: Type.Optional(Metadata),
  personality: Type.Optional(until('2.56', Personality)),
  adminPass: Type.Optional(Type.String({ maxLength: 255 })),
  security_groups: Type.Optional(Type.Array(strict({ name: Type.Optional(Name) }), { maxItems: 100 })),
  availability_zone: Type.Optional(Name),
  min_count: Type.Optional(Count),
  max_count: Type.Optional(Count),
  return_reservation_id: Type.Optional(Bool),
  'OS-DCF:diskConfig': Type.Optional(DiskConfig),
  accessIPv4: Type.Optional(IpV4),
  accessIPv6: Type.Optional(IpV6),
  block_device_mapping: Type.Optional(Type.Array(Type.Object({}))),
  block_device_mapping_v2: Type.Optional(Type.Array(BlockDevice)),
  description: Type.Optional(since('2.19', Description)),
  tags: Type.Optional(since('2.52', Type.Array(Tag, { maxItems: 50 }))),
  trusted_image_certificates: Type.Optional(since('2.63', nullable(Type.Array(Type.String(), { maxItems: 50 })))),
  host: Type.Optional(since('2.74', Hostname)),
  hypervisor_hostname: Type.Optional(since('2.74', Hostname)),
  hostname: Type.Optional(since('2.90', Hostname)),
})

export const CreateServer = strict({
  server: Server,
  'os:scheduler_hints': Type.Optional(Hints),
  'OS-SCH-HNT:scheduler_hints': Type.Optional(Hints),
})

export const UpdateServer = strict({
  server: strict({
    name: Type.Optional(Name),
    accessIPv4: Type.Optional(IpV4),
    accessIPv6: Type.Optional(IpV6),
    'OS-DCF:diskConfig': Type.Optional(DiskConfig),
    description: Type.Optional(since('2.19', Description)),
    hostname: Type.Optional(since('2.90', Type.Union([Label, since('2.94', Hostname)]))),
  }),
})

export const Rebuild = strict({
  imageRef: Uuid,
  name: Type.Optional(Name),
  adminPass: Type.Optional(Type.String({ maxLength: 255 })),
  metadata: Type.Optional(Metadata),
  preserve_ephemeral: Type.Optional(Bool),
  'OS-DCF:diskConfig': Type.Optional(DiskConfig),
  accessIPv4: Type.Optional(IpV4),
  accessIPv6: Type.Optional(IpV6),
  personality: Type.Optional(until('2.56', Personality)),
  description: Type.Optional(since('2.19', Description)),
  key_name: Type.Optional(since('2.54', nullable(Type.String({ minLength: 1, maxLength: 255 })))),
  user_data: Type.Optional(since('2.57', nullable(Base64))),
  trusted_image_certificates: Type.Optional(since('2.63', nullable(Type.Array(Type.String(), { maxItems: 50 })))),
  hostname: Type.Optional(since('2.90', Hostname)),
})

export const AttachInterface = strict({
  interfaceAttachment: Type.Optional(
    strict({
      net_id: Type.Optional(Uuid),
      port_id: Type.Optional(Uuid),
      fixed_ips: Type.Optional(Type.Array(strict({ ip_address: Ip }), { minItems: 1, maxItems: 1 })),
      tag: Type.Optional(since('2.49', Tag)),
    }),
  ),
})

/** What old clients send as `{"os-start": null}`, and some as an empty object. */
export const Nothing = Type.Unknown()
export const Reboot = strict({ type: Type.Enum(['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']) })
export const ConsoleOutput = Type.Union([
  strict({
    length: Type.Optional(
      Type.Union([Type.Integer({ minimum: -1 }), Type.String({ pattern: '^-?[0-9]+$', maxLength: 10 }), Type.Null()]),
    ),
  }),
  Type.Null(),
])
export const ResetState = strict({ state: Type.Enum(['active', 'error']) })
export const Lock = Type.Union([
  Type.Null(),
  since('2.73', strict({ locked_reason: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })) })),
])
export const ChangePassword = strict({ adminPass: Type.String() })
