// The bridge-family table: who may send what from where, what may cross a tunnel, and the packet mark that tells the
// security groups which port a packet comes from or goes to (see filter.ts).
import type { HostNetwork, NetworkSpec, PortSpec } from '@pileus/contract/agent.ts'
import { canonical, canonicalMac, linkLocal, parseCidr, toNumber } from './address.ts'
import { physicalLegName, portMarks, tail, tapName, vxlanName } from './names.ts'
import { block, elements } from './nft.ts'

// Served on the link itself by every host.
export const metadataAddress = '169.254.169.254'

export function bridgeTable(wish: HostNetwork): string {
  const marks = portMarks(wish.ports.map((port) => port.id))
  const up = wish.ports.filter((port) => port.up)
  const secured = up.filter((port) => port.secured)
  const fromGuest = [
    ...wish.ports.filter((port) => !port.up).map((port) => `"${tapName(port.id)}" : drop`),
    ...secured.map((port) => `"${tapName(port.id)}" : jump from_${tail(port.id)}`),
    ...wish.networks.map((network) => `"${edgeLink(network)}" : jump edge_${tail(network.id)}`),
  ]
  const toGuest = [
    ...wish.ports.filter((port) => !port.up).map((port) => `"${tapName(port.id)}" : drop`),
    ...secured.map((port) => `"${tapName(port.id)}" : jump to_secured`),
    ...wish.networks.map((network) => `"${edgeLink(network)}" : jump edge_${tail(network.id)}`),
  ]
  const ports = wish.ports.map((port) => `"${tapName(port.id)}"`)
  const markOf = secured.map((port) => `"${tapName(port.id)}" : ${hex(marks.get(port.id) ?? 0)}`)
  return block('table bridge pileus', [
    ...block('set ports', ['type ifname', ...elements(ports)]),
    ...block('map marks', ['type ifname : mark', ...elements(markOf)]),
    ...secured.flatMap(portChains),
    ...wish.networks.flatMap(edgeChain),
    // What is neither ARP nor IP (tagged frames, say) would pass by the security groups.
    ...block('chain to_secured', ['ether type != { arp, ip, ip6 } drop']),
    ...block('chain from_link', [
      'type filter hook prerouting priority -300; policy accept;',
      'meta mark set 0',
      // A tap that no document names (any more) is nobody's.
      'iifname "tap*" iifname != @ports drop',
      ...(fromGuest.length > 0 ? [`iifname vmap { ${fromGuest.join(', ')} }`] : []),
      'meta mark set iifname map @marks',
    ]),
    ...block('chain to_link', [
      'type filter hook forward priority -200; policy accept;',
      'meta mark set 0',
      'oifname "tap*" oifname != @ports drop',
      ...(toGuest.length > 0 ? [`oifname vmap { ${toGuest.join(', ')} }`] : []),
      'meta mark set oifname map @marks',
    ]),
  ]).join('\n')
}

const hex = (value: number): string => `0x${value.toString(16)}`

function edgeLink(network: NetworkSpec): string {
  return network.kind === 'vxlan' ? vxlanName(network.id) : physicalLegName(network.id)
}

/** A port's pairs of MAC and address range, without repeats: its own, its link-local ones, and those allowed besides. */
function permittedSources(port: PortSpec): { mac: string; cidr: string }[] {
  const own = canonicalMac(port.mac)
  const pairs = port.allowedPairs.map((pair) => ({ mac: canonicalMac(pair.mac), cidr: pair.cidr }))
  const macs = new Set([own, ...pairs.map((pair) => pair.mac)])
  const all = [
    ...port.addresses.map(({ address }) => ({ mac: own, cidr: canonical(address) })),
    ...[...macs].map((mac) => ({ mac, cidr: linkLocal(mac) })),
    ...pairs,
  ]
  const seen = new Set<string>()
  return all.flatMap(({ mac, cidr }) => {
    const range = parseCidr(cidr)
    const text = range.prefix === (range.version === 4 ? 32 : 128) ? range.address : `${range.address}/${range.prefix}`
    const key = `${mac} ${text}`
    if (seen.has(key)) return []
    seen.add(key)
    return [{ mac, cidr: text }]
  })
}

const everything = (cidr: string): boolean => cidr.endsWith('/0')

function portChains(port: PortSpec): string[] {
  const name = tail(port.id)
  const sources = permittedSources(port)
  const v4 = sources.filter((source) => !source.cidr.includes(':'))
  const v6 = sources.filter((source) => source.cidr.includes(':'))
  const macs = [...new Set([canonicalMac(port.mac), ...sources.map((source) => source.mac)])]
  const anyMac = `{ ${macs.join(', ')} }`

  const arp = [
    // RFC 5227: a probe for an address has no sender address yet.
    ...macs.map((mac) => `arp saddr ether ${mac} arp saddr ip 0.0.0.0 return`),
    ...v4.map(({ mac, cidr }) => `arp saddr ether ${mac} ${everything(cidr) ? '' : `arp saddr ip ${cidr} `}return`),
    'drop',
  ]
  const ip4 = [
    `ether saddr ${anyMac} ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 return`,
    'udp sport 67 udp dport 68 drop',
    ...v4.map(({ mac, cidr }) => `ether saddr ${mac} ${everything(cidr) ? '' : `ip saddr ${cidr} `}return`),
    'drop',
  ]
  // A neighbour advertisement binds its target, which need not be the packet's source, to a MAC.
  const targets = v6.filter(({ cidr }) => !cidr.includes('/')).map(({ cidr }) => targetHex(cidr))
  const ranged = v6.some(({ cidr }) => cidr.includes('/'))
  const ip6 = [
    'icmpv6 type { nd-router-advert, nd-redirect } drop',
    'udp sport 547 udp dport 546 drop',
    ...(ranged ? [] : [`icmpv6 type nd-neighbor-advert @th,64,128 != { ${[...new Set(targets)].join(', ')} } drop`]),
    // Duplicate address detection, router solicitation and multicast membership come before an address.
    `ether saddr ${anyMac} ip6 saddr :: icmpv6 type { 131, 132, 133, 135, 143 } return`,
    ...v6.map(({ mac, cidr }) => `ether saddr ${mac} ${everything(cidr) ? '' : `ip6 saddr ${cidr} `}return`),
    'drop',
  ]
  return [
    ...block(`chain arp_${name}`, [`ether saddr != ${anyMac} drop`, ...arp]),
    ...block(`chain ip4_${name}`, ip4),
    ...block(`chain ip6_${name}`, ip6),
    ...block(`chain from_${name}`, [
      `ether type vmap { arp : goto arp_${name}, ip : goto ip4_${name}, ip6 : goto ip6_${name} }`,
      'drop',
    ]),
  ]
}

const targetHex = (address: string): string => `0x${toNumber(address).toString(16).padStart(32, '0')}`

/**
 * What may not cross the tunnel or the wire, in either direction: every host has a DHCP server of the same MAC and
 * addresses, and each serves its own guests only.
 */
function edgeChain(network: NetworkSpec): string[] {
  const served = network.subnets.filter((subnet) => subnet.dhcp && subnet.dhcpAddress !== null)
  const v4 = served.filter((subnet) => subnet.version === 4)
  const addresses = [...new Set([...v4.flatMap((subnet) => subnet.dhcpAddress ?? []), metadataAddress])].join(', ')
  const mac = canonicalMac(network.dhcpMac)
  const rules =
    served.length === 0
      ? []
      : [
          `ether saddr ${mac} drop`,
          `ether daddr ${mac} drop`,
          `arp saddr ip { ${addresses} } drop`,
          `arp daddr ip { ${addresses} } drop`,
          ...(v4.length > 0 ? ['udp dport { 67, 68 } drop'] : []),
          ...(v4.length < served.length ? ['udp dport { 546, 547 } drop'] : []),
        ]
  return block(`chain edge_${tail(network.id)}`, rules)
}
