// IP protocols by name, as Neutron's API accepts them (IANA "Assigned Internet Protocol Numbers").
export const protocolNumbers: Readonly<Record<string, number>> = {
  ah: 51,
  dccp: 33,
  egp: 8,
  esp: 50,
  gre: 47,
  icmp: 1,
  icmpv6: 58,
  'ipv6-icmp': 58,
  igmp: 2,
  ipip: 4,
  'ipv6-encap': 41,
  'ipv6-frag': 44,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  'ipv6-route': 43,
  ospf: 89,
  pgm: 113,
  rsvp: 46,
  sctp: 132,
  tcp: 6,
  udp: 17,
  udplite: 136,
  vrrp: 112,
}

/** The number of a protocol given by name or number; `icmp` of an IPv6 rule is ICMPv6. Undefined when unknown. */
export function protocolNumber(protocol: string, etherType: 'IPv4' | 'IPv6'): number | undefined {
  if (protocol === 'icmp' && etherType === 'IPv6') return 58
  if (/^\d{1,3}$/.test(protocol)) return Number(protocol) <= 255 ? Number(protocol) : undefined
  return protocolNumbers[protocol.toLowerCase()]
}
