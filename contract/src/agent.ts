// What the control plane and the agent of one host say to each other, protocol version 1.
//
// The agent dials the server: `GET /agent/v1/connect` upgraded to a WebSocket; every frame is one JSON object with a
// `type`. Both ends prove who they are before anything else (see `Challenge`, `Hello`, `Welcome`). After that the
// server states what should be (`desired`), the agent says what is (`report`); both may be repeated at will and only
// the newest generation of an object counts. Nothing is ever said once only: after a reconnect the server sends all
// objects again (`complete: true`) and the agent reports all of them again.
import { type Static, Type } from 'typebox'

export const protocolVersion = 1

const Id = Type.String({ minLength: 1, maxLength: 64 })
const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()])

// ── Joining: once per host, over HTTP ───────────────────────────────────────────────────────────────────────────────

/**
 * `POST /agent/v1/join`. The join token is `<tokenId>.<secret>`; the secret itself never travels:
 * `proof` = base64url HMAC-SHA256(secret, `join\n<tokenId>\n<name>\n<publicKey>`).
 */
export const JoinRequest = Type.Object({
  tokenId: Type.String(),
  name: Type.String({ minLength: 1, maxLength: 255 }), // host name, unique in the region
  publicKey: Type.String(), // Ed25519, SPKI DER in base64url
  proof: Type.String(),
})
export type JoinRequest = Static<typeof JoinRequest>

/** `proof` = base64url HMAC-SHA256(secret, `joined\n<hostId>\n<serverKey>\n<publicKey>`): the server knew the secret too. */
export const JoinReply = Type.Object({
  hostId: Id,
  serverKey: Type.String(), // Ed25519, SPKI DER in base64url: how the agent knows the server from now on
  proof: Type.String(),
})
export type JoinReply = Static<typeof JoinReply>

// ── Greeting: at each connection ────────────────────────────────────────────────────────────────────────────────────

export const Challenge = Type.Object({ type: Type.Literal('challenge'), nonce: Type.String() })
export type Challenge = Static<typeof Challenge>

/** `signature` = Ed25519 by the agent's key over `agent\n<protocolVersion>\n<hostId>\n<server nonce>\n<own nonce>`, base64url. */
export const Hello = Type.Object({
  type: Type.Literal('hello'),
  protocol: Type.Integer(),
  hostId: Id,
  nonce: Type.String(),
  signature: Type.String(),
})
export type Hello = Static<typeof Hello>

/** `signature` = Ed25519 by the server's key over `server\n<protocolVersion>\n<hostId>\n<agent nonce>\n<server nonce>`, base64url. */
export const Welcome = Type.Object({
  type: Type.Literal('welcome'),
  signature: Type.String(),
  leaseSeconds: Type.Integer(), // the agent must be heard from (any frame) within this time
})
export type Welcome = Static<typeof Welcome>

// ── Machines ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An image's bytes: `GET /agent/v1/images/<id>` with the header that `signedRequest` describes; kept in a cache by id. */
export const ImageSource = Type.Object({
  imageId: Id,
  format: Type.Enum(['raw', 'qcow2']),
  sizeBytes: Type.Integer(),
  sha512: Type.String(), // hex; the agent checks it before the first use
})
export type ImageSource = Static<typeof ImageSource>

export const DiskSpec = Type.Object({
  id: Id, // names the file; stable for the machine's life
  role: Type.Enum(['root', 'ephemeral', 'swap']),
  sizeMb: Type.Integer(), // 0: as large as the image
  image: Nullable(ImageSource), // null: blank
  serial: Type.Integer(), // raised by a rebuild: a disk of an older serial is made anew
})
export type DiskSpec = Static<typeof DiskSpec>

export const NicSpec = Type.Object({
  portId: Id, // the port in the host's network document; the NIC waits for it
  mac: Type.String(),
  mtu: Type.Integer(),
})
export type NicSpec = Static<typeof NicSpec>

/** What the guest may read of itself, by the metadata service or the config drive. */
export const GuestMetadata = Type.Object({
  instanceId: Id, // EC2 form: i-0123abcd
  hostname: Type.String(),
  name: Type.String(),
  projectId: Type.String(),
  availabilityZone: Type.String(),
  flavor: Type.String(),
  launchIndex: Type.Integer(),
  reservationId: Type.String(),
  keys: Type.Array(Type.Object({ name: Type.String(), type: Type.String(), data: Type.String() })),
  meta: Type.Record(Type.String(), Type.String()),
  userData: Nullable(Type.String()), // base64
  adminPassword: Nullable(Type.String()),
  networkData: Type.Unknown(), // OpenStack's network_data.json, ready made
  securityGroups: Type.Array(Type.String()),
  /** Old file injection (API versions below 2.57): path and base64 contents, on the config drive only. */
  files: Type.Array(Type.Object({ path: Type.String(), contents: Type.String() })),
})
export type GuestMetadata = Static<typeof GuestMetadata>

export const MachineSpec = Type.Object({
  id: Id,
  vcpus: Type.Integer({ minimum: 1 }),
  memoryMb: Type.Integer({ minimum: 1 }),
  firmware: Type.Enum(['bios', 'uefi']),
  power: Type.Enum(['running', 'paused', 'suspended', 'shutdown']),
  /** How long a guest that should shut down may take before its power is cut; 0 cuts at once. */
  shutdownSeconds: Type.Integer(),
  /** A restart is owed when `serial` is greater than the one last carried out. */
  restart: Type.Object({ serial: Type.Integer(), hard: Type.Boolean() }),
  disks: Type.Array(DiskSpec), // in boot order; the first is the root disk
  kernel: Nullable(ImageSource), // direct kernel boot
  ramdisk: Nullable(ImageSource),
  kernelArgs: Type.String(),
  nics: Type.Array(NicSpec),
  configDrive: Type.Boolean(),
  metadata: GuestMetadata,
})
export type MachineSpec = Static<typeof MachineSpec>

export const MachineStatus = Type.Object({
  power: Type.Enum(['running', 'paused', 'suspended', 'shutdown', 'crashed', 'absent']),
  /** True when everything the generation asks for holds. */
  ready: Type.Boolean(),
  restartSerial: Type.Integer(), // the last restart carried out
  doing: Type.String(), // 'fetching image', 'waiting for network', …: for a person; empty when ready
  /** Set when it cannot be made true without a change of the wish: a sentence for the machine's owner. */
  error: Nullable(Type.String()),
})
export type MachineStatus = Static<typeof MachineStatus>

// ── Network: one document for each host; the agent renders all of it ────────────────────────────────────────────────

export const SecurityRule = Type.Object({
  direction: Type.Enum(['ingress', 'egress']),
  version: Type.Enum([4, 6]),
  protocol: Nullable(Type.Integer()), // IP protocol number; null: any
  portMin: Nullable(Type.Integer()), // for ICMP the type
  portMax: Nullable(Type.Integer()), // for ICMP the code
  remoteCidr: Nullable(Type.String()),
  remoteGroup: Nullable(Type.String()), // a key of `groups`
})
export type SecurityRule = Static<typeof SecurityRule>

export const SubnetSpec = Type.Object({
  id: Id,
  version: Type.Enum([4, 6]),
  cidr: Type.String(),
  gateway: Nullable(Type.String()),
  dhcp: Type.Boolean(),
  /** The address of this subnet that the DHCP server and the metadata service of every host have. */
  dhcpAddress: Nullable(Type.String()),
  raMode: Nullable(Type.Enum(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless'])),
  addressMode: Nullable(Type.Enum(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless'])),
  dns: Type.Array(Type.String()),
  routes: Type.Array(Type.Object({ destination: Type.String(), nexthop: Type.String() })),
})
export type SubnetSpec = Static<typeof SubnetSpec>

export const NetworkSpec = Type.Object({
  id: Id,
  /** vxlan: a tenant network, VNI in `segment`. flat: bridged to the host's physical network named in `physical`. */
  kind: Type.Enum(['vxlan', 'flat']),
  segment: Type.Integer(),
  physical: Type.String(),
  mtu: Type.Integer(),
  dhcpMac: Type.String(), // the same on every host; DHCP and ARP for it never cross the tunnel
  domain: Type.String(),
  subnets: Type.Array(SubnetSpec),
  /** Every port of the network that lives on another host. */
  remote: Type.Array(
    Type.Object({ mac: Type.String(), addresses: Type.Array(Type.String()), tunnelAddress: Type.String() }),
  ),
})
export type NetworkSpec = Static<typeof NetworkSpec>

export const PortSpec = Type.Object({
  id: Id,
  networkId: Id,
  machineId: Id,
  mac: Type.String(),
  hostname: Type.String(),
  up: Type.Boolean(), // admin state
  addresses: Type.Array(Type.Object({ subnetId: Id, address: Type.String() })),
  allowedPairs: Type.Array(Type.Object({ mac: Type.String(), cidr: Type.String() })),
  /** False: no anti-spoofing and no security groups. */
  secured: Type.Boolean(),
  rules: Type.Array(SecurityRule),
  dhcpOptions: Type.Array(Type.Object({ name: Type.String(), value: Type.String(), version: Type.Enum([4, 6]) })),
})
export type PortSpec = Static<typeof PortSpec>

export const RouterSpec = Type.Object({
  id: Id,
  up: Type.Boolean(),
  interfaces: Type.Array(
    Type.Object({
      portId: Id,
      networkId: Id,
      mac: Type.String(),
      addresses: Type.Array(Type.String()), // with prefix length: 10.0.0.1/24
    }),
  ),
  gateway: Nullable(
    Type.Object({
      portId: Id,
      networkId: Id,
      mac: Type.String(),
      addresses: Type.Array(Type.String()), // with prefix length
      nexthops: Type.Array(Type.String()), // the external subnets' gateways
      snat: Type.Boolean(),
    }),
  ),
  floatingIps: Type.Array(Type.Object({ floating: Type.String(), fixed: Type.String() })),
  routes: Type.Array(Type.Object({ destination: Type.String(), nexthop: Type.String() })),
})
export type RouterSpec = Static<typeof RouterSpec>

export const HostNetwork = Type.Object({
  networks: Type.Array(NetworkSpec),
  ports: Type.Array(PortSpec), // those of this host's machines
  routers: Type.Array(RouterSpec), // those that this host carries
  /** Members of the security groups that rules name: group id → addresses without prefix length. */
  groups: Type.Record(Type.String(), Type.Array(Type.String())),
})
export type HostNetwork = Static<typeof HostNetwork>

export const NetworkStatus = Type.Object({
  ready: Type.Boolean(),
  ports: Type.Array(Id), // wired: bridged, filtered, served by DHCP
  routers: Type.Array(Id),
  error: Nullable(Type.String()),
})
export type NetworkStatus = Static<typeof NetworkStatus>

// ── The host itself ─────────────────────────────────────────────────────────────────────────────────────────────────

// What a host says is kept in columns of four bytes.
const Size = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })

export const HostFacts = Type.Object({
  name: Type.String(),
  vcpus: Size,
  memoryMb: Size,
  diskGb: Size,
  architecture: Type.String(), // x86_64, aarch64
  cpuModel: Type.String(),
  hypervisor: Type.Enum(['kvm', 'tcg']),
  hypervisorVersion: Size, // 7.2.22 is 7002022
  tunnelAddress: Type.String(),
  physicalNetworks: Type.Array(Type.String()),
  /** Standard traits (os-traits names) and CUSTOM_ ones: what was probed at start. */
  traits: Type.Array(Type.String()),
  agentVersion: Type.String(),
})
export type HostFacts = Static<typeof HostFacts>

// ── Frames after the greeting ───────────────────────────────────────────────────────────────────────────────────────

/** One wish. `spec: null` means that the thing must not exist. The network document has kind `network` and id `host`. */
export const DesiredObject = Type.Union([
  Type.Object({ kind: Type.Literal('machine'), id: Id, generation: Type.Integer(), spec: Nullable(MachineSpec) }),
  Type.Object({
    kind: Type.Literal('network'),
    id: Type.Literal('host'),
    generation: Type.Integer(),
    spec: HostNetwork,
  }),
])
export type DesiredObject = Static<typeof DesiredObject>

export const ServerFrame = Type.Union([
  /** `complete`: these are all; what is not among them is not wished (and a machine so left over is reported, not killed). */
  Type.Object({ type: Type.Literal('desired'), complete: Type.Boolean(), objects: Type.Array(DesiredObject) }),
  /** A question that wants one `result`. */
  Type.Object({ type: Type.Literal('call'), id: Type.Integer(), method: Type.String(), params: Type.Unknown() }),
])
export type ServerFrame = Static<typeof ServerFrame>

const Generation = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export const ReportedObject = Type.Union([
  Type.Object({ kind: Type.Literal('machine'), id: Id, generation: Generation, status: MachineStatus }),
  Type.Object({
    kind: Type.Literal('network'),
    id: Type.Literal('host'),
    generation: Generation,
    status: NetworkStatus,
  }),
])
export type ReportedObject = Static<typeof ReportedObject>

export const AgentFrame = Type.Union([
  Type.Object({ type: Type.Literal('facts'), facts: HostFacts }),
  /** `complete`: all objects there are, also machines that nobody wishes for. Sent after each complete `desired`. */
  Type.Object({ type: Type.Literal('report'), complete: Type.Boolean(), objects: Type.Array(ReportedObject) }),
  Type.Object({
    type: Type.Literal('heartbeat'),
    load: Type.Number(),
    freeMemoryMb: Type.Integer(),
    freeDiskGb: Type.Integer(),
  }),
  Type.Object({
    type: Type.Literal('result'),
    id: Type.Integer(),
    value: Type.Optional(Type.Unknown()),
    error: Type.Optional(Type.String()), // a sentence
  }),
])
export type AgentFrame = Static<typeof AgentFrame>

/** The calls an agent answers. */
export interface AgentCalls {
  /** The guest's serial console so far, the last `lines` of it (null: all that is kept), as text. */
  'machine.console': { params: { machineId: string; lines: number | null }; value: { output: string } }
  /** Counters of a running machine. */
  'machine.diagnostics': { params: { machineId: string }; value: MachineDiagnostics }
}

export interface MachineDiagnostics {
  uptimeSeconds: number
  cpuTimesNs: number[] // one per vCPU
  memoryMaximumMb: number
  memoryUsedMb: number
  disks: { readBytes: number; readRequests: number; writeBytes: number; writeRequests: number; errors: number }[]
  nics: {
    mac: string
    rxBytes: number
    rxPackets: number
    rxDrop: number
    rxErrors: number
    txBytes: number
    txPackets: number
    txDrop: number
    txErrors: number
  }[]
}

/**
 * Plain HTTP requests of an agent (image downloads) carry `Authorization: Pileus-Agent <hostId>.<unix seconds>.<signature>`,
 * the signature being Ed25519 by the agent's key over `<method>\n<path>\n<hostId>\n<unix seconds>`, base64url; good for 60 s.
 */
export function signedText(method: string, path: string, hostId: string, unixSeconds: number): string {
  return `${method}\n${path}\n${hostId}\n${unixSeconds}`
}
export function helloText(hostId: string, serverNonce: string, agentNonce: string): string {
  return `agent\n${protocolVersion}\n${hostId}\n${serverNonce}\n${agentNonce}`
}
export function welcomeText(hostId: string, agentNonce: string, serverNonce: string): string {
  return `server\n${protocolVersion}\n${hostId}\n${agentNonce}\n${serverNonce}`
}
export function joinText(tokenId: string, name: string, publicKey: string): string {
  return `join\n${tokenId}\n${name}\n${publicKey}`
}
export function joinedText(hostId: string, serverKey: string, publicKey: string): string {
  return `joined\n${hostId}\n${serverKey}\n${publicKey}`
}
