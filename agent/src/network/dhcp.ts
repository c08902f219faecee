// What dnsmasq reads: one server for each network that has DHCP and guests on this host. Pure.
// The words are those of dnsmasq's manual page; options by number are IANA's (BOOTP/DHCP and DHCPv6 registries).
import type { NetworkSpec, PortSpec, SubnetSpec } from '@pileus/contract/agent.ts'
import { canonical, canonicalMac, contains, netmask, networkAddress, parseCidr } from './address.ts'
import { dhcpInterface, tail } from './names.ts'
import { metadataAddress } from './spoofing.ts'

/** Hosts and options are files of their own, for in those dnsmasq passes over a line it cannot read. */
export type DhcpFiles = Record<'config' | 'hosts' | 'options', string>

const leaseSeconds = 86_400

/** The subnets that the server hands out addresses (or, stateless, options) for. */
export function servedSubnets(network: NetworkSpec): SubnetSpec[] {
  return network.subnets.filter((subnet) => {
    if (!subnet.dhcp || subnet.dhcpAddress === null) return false
    if (subnet.version === 4) return true
    // With a router-advertisement mode only, somebody else answers DHCPv6 or nobody has to.
    return subnet.addressMode === null ? subnet.raMode === null : subnet.addressMode !== 'slaac'
  })
}

/** The addresses of the server's interface, with prefix length. */
export function dhcpAddresses(network: NetworkSpec): string[] {
  const own = network.subnets
    .filter((subnet) => subnet.dhcp && subnet.dhcpAddress !== null)
    .map((subnet) => `${canonical(subnet.dhcpAddress ?? '')}/${parseCidr(subnet.cidr).prefix}`)
  return own.length === 0 ? [] : [...own, `${metadataAddress}/32`]
}

export function renderDhcp(network: NetworkSpec, ports: readonly PortSpec[], directory: string): DhcpFiles {
  const subnets = servedSubnets(network)
  const config = [
    ...commonConfig(directory),
    `interface=${dhcpInterface}`,
    'dhcp-authoritative',
    'dhcp-lease-max=65536',
    `dhcp-hostsfile=${directory}/hosts`,
    `dhcp-optsfile=${directory}/options`,
    ...subnets.map((subnet) => {
      const { prefix, version } = parseCidr(subnet.cidr)
      const mask = version === 4 ? netmask(prefix) : String(prefix)
      return `dhcp-range=set:${subnetTag(subnet)},${networkAddress(subnet.cidr)},static,${mask},${leaseSeconds}`
    }),
  ]
  return {
    config: lines(config),
    hosts: lines(ports.flatMap((port) => hostLines(port, subnets))),
    options: lines([...subnets.flatMap((subnet) => subnetOptions(network, subnet)), ...ports.flatMap(portOptions)]),
  }
}

/** Every dnsmasq of ours: no DNS, nothing from the host's files, no leases on disk (addresses are all assigned). */
export function commonConfig(directory: string): string[] {
  return [
    'user=nobody',
    `pid-file=${directory}/pid`,
    `log-facility=${directory}/log`,
    'quiet-dhcp',
    'quiet-dhcp6',
    'quiet-ra',
    'port=0',
    'no-hosts',
    'no-resolv',
    'no-ping',
    'bind-dynamic',
    'leasefile-ro',
  ]
}

export const lines = (list: readonly string[]): string => list.map((line) => `${line}\n`).join('')
export const subnetTag = (subnet: SubnetSpec): string => `s${tail(subnet.id)}`
const portTag = (port: PortSpec): string => `p${tail(port.id)}`

function hostLines(port: PortSpec, subnets: readonly SubnetSpec[]): string[] {
  // A host name is a label of letters, digits and hyphens; anything else could break out of the line.
  const hostname = /^[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?$/.test(port.hostname) ? `${port.hostname},` : ''
  return port.addresses.flatMap(({ subnetId, address }) => {
    const subnet = subnets.find((one) => one.id === subnetId)
    if (subnet === undefined || (subnet.version === 6 && subnet.addressMode === 'dhcpv6-stateless')) return []
    const text = subnet.version === 4 ? canonical(address) : `[${canonical(address)}]`
    return [`${canonicalMac(port.mac)},set:${portTag(port)},${hostname}${text}`]
  })
}

function subnetOptions(network: NetworkSpec, subnet: SubnetSpec): string[] {
  const tag = `tag:${subnetTag(subnet)}`
  const domain = /^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?\.?$/.test(network.domain) ? network.domain : null
  const dns = subnet.dns.map(canonical).filter((address) => address !== '0.0.0.0' && address !== '::')
  if (subnet.version === 6) {
    return [
      ...(dns.length > 0 ? [`${tag},option6:23,${dns.map((address) => `[${address}]`).join(',')}`] : []),
      ...(domain === null ? [] : [`${tag},option6:24,${domain}`]),
    ]
  }
  const routes = classlessRoutes(network, subnet)
    .map(({ destination, nexthop }) => `${destination},${nexthop}`)
    .join(',')
  // An option without a value keeps dnsmasq from sending its own address.
  return [
    `${tag},3${subnet.gateway === null ? '' : `,${canonical(subnet.gateway)}`}`,
    `${tag},6${dns.length === 0 ? '' : `,${dns.join(',')}`}`,
    ...(domain === null ? [] : [`${tag},15,${domain}`]),
    `${tag},26,${network.mtu}`,
    `${tag},121,${routes}`,
    `${tag},249,${routes}`, // Windows before RFC 3442
  ]
}

/** RFC 3442: a client that takes these ignores the router option, so the default route is among them. */
function classlessRoutes(network: NetworkSpec, subnet: SubnetSpec): { destination: string; nexthop: string }[] {
  const own = subnet.routes.map((route) => ({
    destination: `${networkAddress(route.destination)}/${parseCidr(route.destination).prefix}`,
    nexthop: canonical(route.nexthop),
  }))
  const neighbours = network.subnets
    .filter((other) => other.id !== subnet.id && other.version === 4)
    .map((other) => ({ destination: other.cidr, nexthop: '0.0.0.0' }))
  const metadata = { destination: `${metadataAddress}/32`, nexthop: canonical(subnet.dhcpAddress ?? '') }
  const all = [
    metadata,
    ...own,
    ...neighbours,
    ...(subnet.gateway === null ? [] : [{ destination: '0.0.0.0/0', nexthop: canonical(subnet.gateway) }]),
  ]
  // What the subnet's owner says of a destination goes before what we would say; metadata before both.
  return all.filter((route, i) => all.findIndex((other) => other.destination === route.destination) === i)
}

// An option of DHCPv4 carries 255 bytes. dnsmasq reads on after 1024 bytes of a line as if it were another line.
const longestValue = 255

function portOptions(port: PortSpec): string[] {
  return port.dhcpOptions.flatMap(({ name, value, version }) => {
    const bare = name.replace(/^option6?:/, '')
    // Values come from users: a line break would be a line of their own.
    if (!/^[0-9A-Za-z-]{1,64}$/.test(bare) || /[\r\n\0]/.test(value) || value.length > longestValue) return []
    const word = version === 6 ? `option6:${bare}` : /^\d+$/.test(bare) ? bare : `option:${bare}`
    return [`tag:${portTag(port)},${word}${value === '' ? '' : `,${value}`}`]
  })
}

/** The subnet of the network that an address belongs to. */
export function subnetAt(network: NetworkSpec, address: string): SubnetSpec | undefined {
  return network.subnets.find((subnet) => contains(subnet.cidr, address))
}
