// The inet-family table: stateful security groups on bridge ports. br_netfilter sends bridged packets through the inet
// hooks, where the bridge family's mark (spoofing.ts) says which port is meant: in prerouting the one a packet comes
// from, in forward the one it goes to. Each network has a conntrack zone, for tenants' addresses may be the same.
import type { HostNetwork, PortSpec, SecurityRule } from '@pileus/contract/agent.ts'
import { canonical, parseCidr, versionOf } from './address.ts'
import { bridgeName, portMarks, tail } from './names.ts'
import { block, elements, replaceTable } from './nft.ts'
import { bridgeTable } from './spoofing.ts'

/** Both tables of the data-plane namespace, for one `nft -f -`. */
export function renderFilter(wish: HostNetwork, zones: ReadonlyMap<string, number>): string {
  return replaceTable('bridge', 'pileus', bridgeTable(wish)) + replaceTable('inet', 'pileus', inetTable(wish, zones))
}

function inetTable(wish: HostNetwork, zones: ReadonlyMap<string, number>): string {
  const marks = portMarks(wish.ports.map((port) => port.id))
  const secured = wish.ports.filter((port) => port.up && port.secured)
  const zoneOf = wish.networks.map((network) => `"${bridgeName(network.id)}" : ${zones.get(network.id) ?? 0}`)
  const verdicts = (way: 'out' | 'in'): string[] => {
    const list = secured.map((port) => `${marks.get(port.id) ?? 0} : goto ${way}_${tail(port.id)}`)
    return list.length === 0 ? [] : [`meta mark vmap { ${list.join(', ')} }`]
  }
  const base = ['meta mark 0 accept', 'ct state established,related accept', 'ct state invalid drop']
  return block('table inet pileus', [
    ...groupSets(wish, secured),
    ...secured.flatMap(portChains),
    ...block('chain zones', [
      'type filter hook prerouting priority raw; policy accept;',
      ...(zoneOf.length > 0 ? [`ct zone set iifname map { ${zoneOf.join(', ')} }`] : []),
    ]),
    // A mark without a verdict is no port of ours, so it ends in a drop.
    ...block('chain egress', [
      'type filter hook prerouting priority filter; policy accept;',
      ...base,
      ...verdicts('out'),
      'drop',
    ]),
    ...block('chain ingress', [
      'type filter hook forward priority filter; policy accept;',
      ...base,
      ...verdicts('in'),
      'drop',
    ]),
  ]).join('\n')
}

/** Group id → which of its addresses are of this version; a group without entry has no members. */
export function membersOf(wish: HostNetwork, groupId: string, version: 4 | 6): string[] {
  const addresses = (wish.groups[groupId] ?? []).map(canonical)
  return [...new Set(addresses.filter((address) => versionOf(address) === version))].toSorted()
}

function groupSets(wish: HostNetwork, secured: readonly PortSpec[]): string[] {
  const used = new Set<string>()
  for (const port of secured) for (const rule of port.rules) if (rule.remoteGroup !== null) used.add(rule.remoteGroup)
  return [...used]
    .toSorted()
    .flatMap((group) => [
      ...block(`set ${setName(group, 4)}`, ['type ipv4_addr', ...elements(membersOf(wish, group, 4))]),
      ...block(`set ${setName(group, 6)}`, ['type ipv6_addr', ...elements(membersOf(wish, group, 6))]),
    ])
}

const setName = (group: string, version: 4 | 6): string => `group_${tail(group)}_${version}`

function portChains(port: PortSpec): string[] {
  const matches = (direction: 'ingress' | 'egress'): string[] => {
    const lines = port.rules.filter((rule) => rule.direction === direction).map((rule) => `${ruleMatch(rule)} accept`)
    return [...new Set(lines)]
  }
  const name = tail(port.id)
  return [
    // Besides the rules: asking for an address, and what IPv6 cannot be without (RFC 4890, 4.4.1).
    ...block(`chain out_${name}`, [
      'udp sport 68 udp dport 67 accept',
      'udp sport 546 udp dport 547 accept',
      'icmpv6 type { 131, 132, 133, 135, 136, 143 } accept',
      ...matches('egress'),
      'drop',
    ]),
    ...block(`chain in_${name}`, [
      'udp sport 67 udp dport 68 accept',
      'udp sport 547 udp dport 546 accept',
      'icmpv6 type { 130, 131, 132, 134, 135, 136, 143 } accept',
      ...matches('ingress'),
      'drop',
    ]),
  ]
}

const icmp = 1
const icmpv6 = 58
const protocolsWithPorts = new Set([6, 17, 33, 132, 136]) // TCP, UDP, DCCP, SCTP, UDP-Lite

/** Number 1 in an IPv6 rule means ICMPv6, as in Neutron. */
export function protocolNumber(rule: SecurityRule): number | null {
  return rule.version === 6 && rule.protocol === icmp ? icmpv6 : rule.protocol
}

/** The range of ports a rule names, if its protocol has ports. */
export function portRange(rule: SecurityRule): { from: number; to: number } | undefined {
  const protocol = protocolNumber(rule)
  const from = rule.portMin ?? rule.portMax
  if (protocol === null || from === null || !protocolsWithPorts.has(protocol)) return undefined
  return { from, to: rule.portMax ?? from }
}

export function ruleMatch(rule: SecurityRule): string {
  const ip = rule.version === 4 ? 'ip' : 'ip6'
  const other = rule.direction === 'ingress' ? 'saddr' : 'daddr'
  const parts = [`meta nfproto ${rule.version === 4 ? 'ipv4' : 'ipv6'}`]
  if (rule.remoteCidr !== null) {
    const { address, prefix } = parseCidr(rule.remoteCidr)
    if (prefix > 0) parts.push(`${ip} ${other} ${address}/${prefix}`)
  }
  if (rule.remoteGroup !== null) parts.push(`${ip} ${other} @${setName(rule.remoteGroup, rule.version)}`)
  const protocol = protocolNumber(rule)
  if (protocol === null) return parts.join(' ')
  parts.push(`meta l4proto ${protocol}`)
  const range = portRange(rule)
  if (range !== undefined) {
    parts.push(`th dport ${range.from === range.to ? range.from : `${range.from}-${range.to}`}`)
  } else if ((protocol === icmp && rule.version === 4) || protocol === icmpv6) {
    const word = protocol === icmp ? 'icmp' : 'icmpv6'
    if (rule.portMin !== null) parts.push(`${word} type ${rule.portMin}`)
    if (rule.portMax !== null) parts.push(`${word} code ${rule.portMax}`)
  }
  return parts.join(' ')
}
