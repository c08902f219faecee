import { view } from '#lib/view.ts'
import { floatingOwner, type Port } from '../model.ts'
import { ownerShown, standard } from '../rest/fields.ts'

export interface ShownPort extends Port {
  /** The domain of its network, for names. */
  networkDomain: string
  /** Its host is one that there is. */
  hostKnown: boolean
}

const defaultDomain = 'openstacklocal.'

function dnsAssignment({ dnsName, dnsDomain, networkDomain, fixedIps }: ShownPort) {
  const domain = dnsDomain || networkDomain || defaultDomain
  const dotted = domain.endsWith('.') ? domain : `${domain}.`
  return fixedIps.map(({ address }) => {
    const hostname = dnsName.replace(/\.$/, '') || `host-${address.replaceAll(/[.:]+/g, '-')}`
    return {
      ip_address: address,
      hostname,
      fqdn: dnsName.endsWith('.') ? dnsName : `${hostname}.${dotted}`,
    }
  })
}

export const portView = view<ShownPort>(['port', 'ports'], {
  id: (p) => p.id,
  name: (p) => p.name,
  ...ownerShown,
  network_id: (p) => p.networkId,
  admin_state_up: (p) => p.adminUp,
  status: (p) => (p.deviceOwner === floatingOwner ? 'N/A' : p.wired && p.adminUp ? 'ACTIVE' : 'DOWN'),
  mac_address: (p) => p.mac,
  fixed_ips: (p) => p.fixedIps.map(({ subnetId, address }) => ({ subnet_id: subnetId, ip_address: address })),
  device_id: (p) => p.deviceId,
  device_owner: (p) => p.deviceOwner,
  security_groups: (p) => p.securityGroupIds,
  port_security_enabled: (p) => p.portSecurity,
  allowed_address_pairs: (p) =>
    p.allowedPairs.map(({ mac, cidr }) => ({ mac_address: mac === '' ? p.mac : mac, ip_address: cidr })),
  extra_dhcp_opts: (p) =>
    p.dhcpOptions.map(({ name, value, version }) => ({ opt_name: name, opt_value: value, ip_version: version })),
  dns_name: (p) => p.dnsName,
  dns_domain: (p) => p.dnsDomain,
  dns_assignment: dnsAssignment,
  ip_allocation: (p) => (p.fixedIps.length > 0 ? 'immediate' : 'none'),
  'binding:vnic_type': (p) => p.vnicType,
  'binding:host_id': { policy: 'get_port:binding:host_id', get: (p) => p.host },
  'binding:profile': { policy: 'get_port:binding:profile', get: (p) => p.profile },
  'binding:vif_type': {
    policy: 'get_port:binding:vif_type',
    get: (p) => (p.host === '' ? 'unbound' : p.hostKnown ? 'bridge' : 'binding_failed'),
  },
  'binding:vif_details': {
    policy: 'get_port:binding:vif_details',
    get: (p) => (p.host === '' || !p.hostKnown ? {} : { port_filter: true, connectivity: 'l2' }),
  },
  ...standard,
})
