// The tables of the network service. Queries live beside the nouns; these are here because the nouns join each other.
import { boolean, cidr, inet, integer, jsonb, pgTable, primaryKey, text, timestamp, uuid } from '#lib/db.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owned = {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  name: text().notNull().default(''),
}
const times = {
  revision: integer().notNull().default(1),
  createdAt: moment('created_at').notNull().defaultNow(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
}
const tagged = { tags: text().array().notNull().default([]), ...times }
const described = { description: text().notNull().default('') }

export interface HostRoute {
  destination: string
  nexthop: string
}
export interface AddressRange {
  start: string
  end: string
}
export interface AddressPair {
  mac: string
  cidr: string
}
export interface DhcpOption {
  name: string
  value: string
  version: 4 | 6
}
export const addressModes = ['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless'] as const
export type AddressMode = (typeof addressModes)[number]

export const network = pgTable('network', {
  ...owned,
  ...described,
  adminUp: boolean('admin_up').notNull().default(true),
  shared: boolean().notNull().default(false),
  external: boolean().notNull().default(false),
  isDefault: boolean('is_default').notNull().default(false),
  kind: text({ enum: ['vxlan', 'flat'] }).notNull(),
  physical: text().notNull().default(''),
  segment: integer().notNull().default(0),
  mtu: integer().notNull(),
  portSecurity: boolean('port_security').notNull().default(true),
  dnsDomain: text('dns_domain').notNull().default(''),
  zoneHints: text('zone_hints').array().notNull().default([]),
  ...tagged,
})
export type Network = typeof network.$inferSelect

export const addressScope = pgTable('address_scope', {
  ...owned,
  ipVersion: integer('ip_version').notNull(),
  shared: boolean().notNull().default(false),
  ...times,
})
export type AddressScope = typeof addressScope.$inferSelect

export const subnetPool = pgTable('subnet_pool', {
  ...owned,
  ...described,
  ipVersion: integer('ip_version').notNull(),
  prefixes: text().array().notNull(),
  defaultPrefixLength: integer('default_prefix_length').notNull(),
  minPrefixLength: integer('min_prefix_length').notNull(),
  maxPrefixLength: integer('max_prefix_length').notNull(),
  defaultQuota: integer('default_quota'),
  shared: boolean().notNull().default(false),
  isDefault: boolean('is_default').notNull().default(false),
  addressScopeId: uuid('address_scope_id'),
  ...tagged,
})
export type SubnetPool = typeof subnetPool.$inferSelect

export const subnet = pgTable('subnet', {
  ...owned,
  ...described,
  networkId: uuid('network_id').notNull(),
  ipVersion: integer('ip_version').notNull(),
  cidr: cidr().notNull(),
  gateway: inet(),
  dhcp: boolean().notNull().default(true),
  dns: text().array().notNull().default([]),
  routes: jsonb().$type<HostRoute[]>().notNull().default([]),
  pools: jsonb().$type<AddressRange[]>().notNull(),
  raMode: text('ra_mode', { enum: addressModes }),
  addressMode: text('address_mode', { enum: addressModes }),
  subnetPoolId: uuid('subnet_pool_id'),
  serviceTypes: text('service_types').array().notNull().default([]),
  publishDns: boolean('publish_dns').notNull().default(false),
  ...tagged,
})
export type Subnet = typeof subnet.$inferSelect

export const securityGroup = pgTable('security_group', {
  ...owned,
  ...described,
  stateful: boolean().notNull().default(true),
  isDefault: boolean('is_default').notNull().default(false),
  ...tagged,
})
export type SecurityGroup = typeof securityGroup.$inferSelect

export const securityGroupRule = pgTable('security_group_rule', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  groupId: uuid('group_id').notNull(),
  description: text().notNull().default(''),
  direction: text({ enum: ['ingress', 'egress'] }).notNull(),
  etherType: text('ether_type', { enum: ['IPv4', 'IPv6'] }).notNull(),
  protocol: text(),
  portMin: integer('port_min'),
  portMax: integer('port_max'),
  remoteCidr: text('remote_cidr'),
  remoteGroupId: uuid('remote_group_id'),
  ...times,
})
export type SecurityGroupRule = typeof securityGroupRule.$inferSelect

export const port = pgTable('port', {
  ...owned,
  ...described,
  networkId: uuid('network_id').notNull(),
  adminUp: boolean('admin_up').notNull().default(true),
  mac: text().notNull(),
  deviceId: text('device_id').notNull().default(''),
  deviceOwner: text('device_owner').notNull().default(''),
  securityGroupIds: uuid('security_group_ids').array().notNull().default([]),
  portSecurity: boolean('port_security').notNull().default(true),
  allowedPairs: jsonb('allowed_pairs').$type<AddressPair[]>().notNull().default([]),
  dhcpOptions: jsonb('dhcp_options').$type<DhcpOption[]>().notNull().default([]),
  dnsName: text('dns_name').notNull().default(''),
  dnsDomain: text('dns_domain').notNull().default(''),
  vnicType: text('vnic_type').notNull().default('normal'),
  profile: jsonb().$type<Record<string, unknown>>().notNull().default({}),
  host: text().notNull().default(''),
  wired: boolean().notNull().default(false),
  /** Compute made it the port of the server `deviceId`. What a port's owner writes there himself makes it nobody's. */
  attached: boolean().notNull().default(false),
  madeForServer: boolean('made_for_server').notNull().default(false),
  devicePlace: integer('device_place').notNull().default(0),
  deviceTag: text('device_tag'),
  ...tagged,
})
export type PortRow = typeof port.$inferSelect
export interface FixedIp {
  subnetId: string
  address: string
}
/** A port with its addresses. */
export interface Port extends PortRow {
  fixedIps: FixedIp[]
}

/** Device owners that the service itself gives. */
export const dhcpOwner = 'network:dhcp'
export const interfaceOwner = 'network:router_interface'
export const gatewayOwner = 'network:router_gateway'
export const floatingOwner = 'network:floatingip'

export const ipAllocation = pgTable(
  'ip_allocation',
  {
    subnetId: uuid('subnet_id').notNull(),
    address: inet().notNull(),
    networkId: uuid('network_id').notNull(),
    portId: uuid('port_id').notNull(),
    n: integer().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.subnetId, t.address] })],
)

export const router = pgTable('router', {
  ...owned,
  ...described,
  adminUp: boolean('admin_up').notNull().default(true),
  gatewayNetworkId: uuid('gateway_network_id'),
  gatewayPortId: uuid('gateway_port_id'),
  snat: boolean().notNull().default(true),
  routes: jsonb().$type<HostRoute[]>().notNull().default([]),
  host: text().notNull().default(''),
  zoneHints: text('zone_hints').array().notNull().default([]),
  ...tagged,
})
export type RouterRow = typeof router.$inferSelect

export const floatingIp = pgTable('floating_ip', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  ...described,
  networkId: uuid('network_id').notNull(),
  floatingPortId: uuid('floating_port_id').notNull(),
  address: inet().notNull(),
  portId: uuid('port_id'),
  fixedAddress: inet('fixed_address'),
  routerId: uuid('router_id'),
  status: text({ enum: ['ACTIVE', 'DOWN', 'ERROR'] })
    .notNull()
    .default('DOWN'),
  dnsName: text('dns_name').notNull().default(''),
  dnsDomain: text('dns_domain').notNull().default(''),
  ...tagged,
})
export type FloatingIp = typeof floatingIp.$inferSelect

export const rbacObjects = ['network', 'subnetpool', 'address_scope', 'security_group'] as const
export const rbacActions = ['access_as_shared', 'access_as_external'] as const
export const rbacPolicy = pgTable('rbac_policy', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  objectType: text('object_type', { enum: rbacObjects }).notNull(),
  objectId: uuid('object_id').notNull(),
  action: text({ enum: rbacActions }).notNull(),
  targetProject: text('target_project').notNull(),
})
export type RbacPolicy = typeof rbacPolicy.$inferSelect

export const meteringLabel = pgTable('metering_label', {
  ...owned,
  ...described,
  shared: boolean().notNull().default(false),
})
export type MeteringLabel = typeof meteringLabel.$inferSelect
export const meteringLabelRule = pgTable('metering_label_rule', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  labelId: uuid('label_id').notNull(),
  direction: text({ enum: ['ingress', 'egress'] }).notNull(),
  excluded: boolean().notNull().default(false),
  remoteCidr: cidr('remote_cidr'),
  sourceCidr: cidr('source_cidr'),
  destinationCidr: cidr('destination_cidr'),
})
export type MeteringLabelRule = typeof meteringLabelRule.$inferSelect

export const networkHost = pgTable(
  'network_host',
  {
    region: text().notNull(),
    host: text().notNull(),
    tunnelAddress: text('tunnel_address').notNull().default(''),
    physicalNetworks: text('physical_networks').array().notNull().default([]),
    alive: boolean().notNull().default(true),
    seenAt: moment('seen_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.region, t.host] })],
)
export type NetworkHost = typeof networkHost.$inferSelect
