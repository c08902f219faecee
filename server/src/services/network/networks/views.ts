import { view } from '#lib/view.ts'
import type { Network } from '../model.ts'
import { ownerShown, standard } from '../rest/fields.ts'

export interface ShownNetwork extends Network {
  subnetIds: string[]
  scopeIdV4: string | null
  scopeIdV6: string | null
}

export const networkView = view<ShownNetwork>(['network', 'networks'], {
  id: (n) => n.id,
  name: (n) => n.name,
  ...ownerShown,
  admin_state_up: (n) => n.adminUp,
  mtu: (n) => n.mtu,
  status: () => 'ACTIVE',
  subnets: (n) => n.subnetIds,
  shared: (n) => n.shared,
  availability_zone_hints: (n) => n.zoneHints,
  availability_zones: () => ['nova'],
  ipv4_address_scope: (n) => n.scopeIdV4,
  ipv6_address_scope: (n) => n.scopeIdV6,
  'router:external': (n) => n.external,
  is_default: (n) => (n.external ? n.isDefault : undefined),
  l2_adjacency: () => true,
  port_security_enabled: (n) => n.portSecurity,
  dns_domain: (n) => n.dnsDomain,
  'provider:network_type': { policy: 'get_network:provider:network_type', get: (n) => n.kind },
  'provider:physical_network': {
    policy: 'get_network:provider:physical_network',
    get: (n) => (n.kind === 'flat' ? n.physical : null),
  },
  'provider:segmentation_id': {
    policy: 'get_network:provider:segmentation_id',
    get: (n) => (n.kind === 'flat' ? null : n.segment),
  },
  ...standard,
})
