// network_data.json as OpenStack's guests read it
// (docs.openstack.org/nova/latest/user/metadata.html, "OpenStack format metadata"; cloud-init's sources/helpers/openstack.py).
import { cidrOf, netmask } from '../addresses.ts'
import type { Subnet } from '../model.ts'
import type { ServerAddress, ServerPort } from './list.ts'

const kinds = {
  slaac: 'ipv6_slaac',
  'dhcpv6-stateful': 'ipv6_dhcpv6-stateful',
  'dhcpv6-stateless': 'ipv6_dhcpv6-stateless',
} as const

function kindOf(subnet: Subnet): string {
  if (subnet.ipVersion === 4) return subnet.dhcp ? 'ipv4_dhcp' : 'ipv4'
  return subnet.dhcp && subnet.addressMode ? kinds[subnet.addressMode] : 'ipv6'
}

/** What a guest may know of its NICs. */
export function networkDataJson(ports: readonly ServerPort[]): {
  links: Record<string, unknown>[]
  networks: Record<string, unknown>[]
  services: { type: 'dns'; address: string }[]
} {
  const networks: Record<string, unknown>[] = []
  const servers = new Set<string>()
  for (const port of ports) {
    for (const address of port.addresses) {
      const subnet = port.subnets.find(({ id }) => id === address.subnetId)
      if (!subnet) continue
      networks.push(describe(`network${networks.length}`, port, address, subnet))
      for (const dns of subnet.dns) servers.add(dns)
    }
  }
  return {
    links: ports.map((port) => ({
      id: linkId(port),
      vif_id: port.id,
      type: 'bridge',
      mtu: port.mtu,
      ethernet_mac_address: port.mac,
    })),
    networks,
    services: [...servers].map((address) => ({ type: 'dns', address })),
  }
}

const linkId = (port: ServerPort) => `tap${port.id.slice(-11)}`

function describe(id: string, port: ServerPort, { address }: ServerAddress, subnet: Subnet): Record<string, unknown> {
  const type = kindOf(subnet)
  const base = { id, type, link: linkId(port), network_id: port.networkId }
  if (type === 'ipv4_dhcp') return base
  const version = subnet.ipVersion === 4 ? 4 : 6
  const any = version === 4 ? '0.0.0.0' : '::'
  const routes = subnet.routes.map(({ destination, nexthop }) => {
    const cidr = cidrOf(destination)
    return { network: destination.split('/')[0], netmask: netmask(version, cidr.prefix), gateway: nexthop }
  })
  if (subnet.gateway !== null) routes.unshift({ network: any, netmask: any, gateway: subnet.gateway })
  return {
    ...base,
    ip_address: address,
    netmask: netmask(version, cidrOf(subnet.cidr).prefix),
    routes,
    services: subnet.dns.map((dns) => ({ type: 'dns', address: dns })),
  }
}
