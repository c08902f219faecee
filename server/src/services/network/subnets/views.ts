import { view } from '#lib/view.ts'
import type { Subnet } from '../model.ts'
import { ownerShown, standard } from '../rest/fields.ts'

export const subnetView = view<Subnet>(['subnet', 'subnets'], {
  id: (s) => s.id,
  name: (s) => s.name,
  ...ownerShown,
  network_id: (s) => s.networkId,
  ip_version: (s) => s.ipVersion,
  cidr: (s) => s.cidr,
  subnetpool_id: (s) => s.subnetPoolId,
  gateway_ip: (s) => s.gateway,
  allocation_pools: (s) => s.pools,
  enable_dhcp: (s) => s.dhcp,
  dns_nameservers: (s) => s.dns,
  host_routes: (s) => s.routes,
  ipv6_ra_mode: (s) => s.raMode,
  ipv6_address_mode: (s) => s.addressMode,
  service_types: (s) => s.serviceTypes,
  dns_publish_fixed_ip: (s) => s.publishDns,
  segment_id: () => null,
  ...standard,
})
