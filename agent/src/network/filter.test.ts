import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostNetwork, SecurityRule } from '@pileus/contract/agent.ts'
import { renderFilter, ruleMatch } from './filter.ts'
import { nothing, openRule, portIn, tenantNetwork } from './testing/documents.ts'

const network = tenantNetwork({ id: 'net-1' })
const ssh: SecurityRule = {
  ...openRule('ingress'),
  protocol: 6,
  portMin: 22,
  portMax: 23,
  remoteCidr: '192.0.2.0/24',
}
const wish: HostNetwork = {
  networks: [network],
  ports: [
    portIn(network, 11, {
      id: 'port-11',
      allowedPairs: [{ mac: 'FA:16:3E:01:00:0B', cidr: '10.0.0.128/25' }],
      rules: [openRule('egress'), ssh, { ...openRule('ingress', 6), remoteGroup: 'group-1' }],
    }),
    portIn(network, 12, { id: 'port-12', up: false }),
    portIn(network, 13, { id: 'port-13', secured: false }),
  ],
  routers: [],
  groups: { 'group-1': ['10.0.0.11', 'FD00:1::11'] },
}

test('a secured port, one that is down and an unsecured one, as whole tables', () => {
  assert.equal(renderFilter(wish, new Map([['net-1', 5]])), expected)
})

test('an empty document still drops what comes from taps nobody knows', () => {
  const text = renderFilter(nothing, new Map())
  assert.match(text, /iifname "tap\*" iifname != @ports drop/)
  assert.doesNotMatch(text, /vmap|elements|ct zone/)
})

test('a group without members is an empty set, which matches nobody', () => {
  const text = renderFilter({ ...wish, groups: {} }, new Map([['net-1', 5]]))
  assert.match(text, / set group_group1_6 \{\n  type ipv6_addr\n \}/)
})

test('rules of every kind', () => {
  const cases: [Partial<SecurityRule>, string][] = [
    [{}, 'meta nfproto ipv4'],
    [{ version: 6, direction: 'egress', remoteCidr: 'FD00::/8' }, 'meta nfproto ipv6 ip6 daddr fd00::/8'],
    [
      { remoteCidr: '0.0.0.0/0', protocol: 17, portMin: 53, portMax: 53 },
      'meta nfproto ipv4 meta l4proto 17 th dport 53',
    ],
    [{ protocol: 132, portMin: 1, portMax: 65535 }, 'meta nfproto ipv4 meta l4proto 132 th dport 1-65535'],
    [{ protocol: 6 }, 'meta nfproto ipv4 meta l4proto 6'],
    [{ protocol: 1, portMin: 8, portMax: 0 }, 'meta nfproto ipv4 meta l4proto 1 icmp type 8 icmp code 0'],
    [{ protocol: 1, portMin: 8 }, 'meta nfproto ipv4 meta l4proto 1 icmp type 8'],
    [{ version: 6, protocol: 58, portMin: 128 }, 'meta nfproto ipv6 meta l4proto 58 icmpv6 type 128'],
    [{ version: 6, protocol: 1, portMin: 128 }, 'meta nfproto ipv6 meta l4proto 58 icmpv6 type 128'],
    [{ protocol: 112 }, 'meta nfproto ipv4 meta l4proto 112'],
    [{ direction: 'egress', remoteGroup: 'g-1' }, 'meta nfproto ipv4 ip daddr @group_g1_4'],
  ]
  for (const [rule, text] of cases) assert.equal(ruleMatch({ ...openRule('ingress'), ...rule }), text)
})

const expected = `table bridge pileus
delete table bridge pileus
table bridge pileus {
 set ports {
  type ifname
  elements = { "tapport11", "tapport12", "tapport13" }
 }
 map marks {
  type ifname : mark
  elements = { "tapport11" : 0x9da46985 }
 }
 chain arp_port11 {
  ether saddr != { fa:16:3e:01:00:0b } drop
  arp saddr ether fa:16:3e:01:00:0b arp saddr ip 0.0.0.0 return
  arp saddr ether fa:16:3e:01:00:0b arp saddr ip 10.0.0.11 return
  arp saddr ether fa:16:3e:01:00:0b arp saddr ip 10.0.0.128/25 return
  drop
 }
 chain ip4_port11 {
  ether saddr { fa:16:3e:01:00:0b } ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 return
  udp sport 67 udp dport 68 drop
  ether saddr fa:16:3e:01:00:0b ip saddr 10.0.0.11 return
  ether saddr fa:16:3e:01:00:0b ip saddr 10.0.0.128/25 return
  drop
 }
 chain ip6_port11 {
  icmpv6 type { nd-router-advert, nd-redirect } drop
  udp sport 547 udp dport 546 drop
  icmpv6 type nd-neighbor-advert @th,64,128 != { 0xfd000001000000000000000000000011, 0xfe80000000000000f8163efffe01000b } drop
  ether saddr { fa:16:3e:01:00:0b } ip6 saddr :: icmpv6 type { 131, 132, 133, 135, 143 } return
  ether saddr fa:16:3e:01:00:0b ip6 saddr fd00:1::11 return
  ether saddr fa:16:3e:01:00:0b ip6 saddr fe80::f816:3eff:fe01:b return
  drop
 }
 chain from_port11 {
  ether type vmap { arp : goto arp_port11, ip : goto ip4_port11, ip6 : goto ip6_port11 }
  drop
 }
 chain edge_net1 {
  ether saddr fa:16:3e:00:00:02 drop
  ether daddr fa:16:3e:00:00:02 drop
  arp saddr ip { 10.0.0.2, 169.254.169.254 } drop
  arp daddr ip { 10.0.0.2, 169.254.169.254 } drop
  udp dport { 67, 68 } drop
 }
 chain to_secured {
  ether type != { arp, ip, ip6 } drop
 }
 chain from_link {
  type filter hook prerouting priority -300; policy accept;
  meta mark set 0
  iifname "tap*" iifname != @ports drop
  iifname vmap { "tapport12" : drop, "tapport11" : jump from_port11, "vx-net1" : jump edge_net1 }
  meta mark set iifname map @marks
 }
 chain to_link {
  type filter hook forward priority -200; policy accept;
  meta mark set 0
  oifname "tap*" oifname != @ports drop
  oifname vmap { "tapport12" : drop, "tapport11" : jump to_secured, "vx-net1" : jump edge_net1 }
  meta mark set oifname map @marks
 }
}
table inet pileus
delete table inet pileus
table inet pileus {
 set group_group1_4 {
  type ipv4_addr
  elements = { 10.0.0.11 }
 }
 set group_group1_6 {
  type ipv6_addr
  elements = { fd00:1::11 }
 }
 chain out_port11 {
  udp sport 68 udp dport 67 accept
  udp sport 546 udp dport 547 accept
  icmpv6 type { 131, 132, 133, 135, 136, 143 } accept
  meta nfproto ipv4 accept
  drop
 }
 chain in_port11 {
  udp sport 67 udp dport 68 accept
  udp sport 547 udp dport 546 accept
  icmpv6 type { 130, 131, 132, 134, 135, 136, 143 } accept
  meta nfproto ipv4 ip saddr 192.0.2.0/24 meta l4proto 6 th dport 22-23 accept
  meta nfproto ipv6 ip6 saddr @group_group1_6 accept
  drop
 }
 chain zones {
  type filter hook prerouting priority raw; policy accept;
  ct zone set iifname map { "br-net1" : 5 }
 }
 chain egress {
  type filter hook prerouting priority filter; policy accept;
  meta mark 0 accept
  ct state established,related accept
  ct state invalid drop
  meta mark vmap { 2644797829 : goto out_port11 }
  drop
 }
 chain ingress {
  type filter hook forward priority filter; policy accept;
  meta mark 0 accept
  ct state established,related accept
  ct state invalid drop
  meta mark vmap { 2644797829 : goto in_port11 }
  drop
 }
}
`
