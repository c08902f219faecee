// What a router's namespace holds: legs, routes, address translation, router advertisements. Pure.
import type { NetworkSpec, RouterSpec, SubnetSpec } from '@pileus/contract/agent.ts'
import { canonical, canonicalMac, contains, networkAddress, parseCidr } from './address.ts'
import { commonConfig, lines, subnetAt, subnetTag } from './dhcp.ts'
import type { Leg, RouteWish } from './legs.ts'
import { bridgeName, gatewayName, routerInterfaceName, routerLegName, routerNamespace } from './names.ts'
import { block, elements, replaceTable } from './nft.ts'

/** The router's legs, the gateway's last; those in networks the document does not describe are in `missing`. */
export function routerLegs(
  router: RouterSpec,
  networks: ReadonlyMap<string, NetworkSpec>,
  plane: string,
): { legs: Leg[]; missing: string[] } {
  const legs: Leg[] = []
  const missing: string[] = []
  const add = (port: RouterSpec['interfaces'][number], inner: string, extra: string[]): void => {
    const network = networks.get(port.networkId)
    if (network === undefined) {
      missing.push(port.networkId)
      return
    }
    legs.push({
      outer: routerLegName(port.portId),
      inner,
      namespace: routerNamespace(plane, router.id),
      bridge: bridgeName(network.id),
      mac: canonicalMac(port.mac),
      mtu: network.mtu,
      addresses: [...port.addresses, ...extra],
    })
  }
  for (const port of router.interfaces) add(port, routerInterfaceName(port.portId), [])
  if (router.gateway !== null) {
    const floating = floatingIps(router).map((pair) => `${pair.floating}/32`)
    add(router.gateway, gatewayName(router.gateway.portId), floating)
  }
  return { legs, missing }
}

const ofVersion4 = (address: string): boolean => !address.includes(':')

/** IPv6 has no translation: its addresses are global already. */
function floatingIps(router: RouterSpec): RouterSpec['floatingIps'] {
  return router.gateway === null ? [] : router.floatingIps.filter((pair) => ofVersion4(pair.floating))
}

export function routerRoutes(router: RouterSpec): RouteWish[] {
  const { gateway } = router
  const extra = router.routes.map((route) => ({ destination: route.destination, via: route.nexthop, onlink: null }))
  if (gateway === null) return extra
  const defaults = gateway.nexthops.map((nexthop) => ({
    destination: ofVersion4(nexthop) ? '0.0.0.0/0' : '::/0',
    via: nexthop,
    onlink: gateway.addresses.some((cidr) => contains(cidr, nexthop)) ? null : gatewayName(gateway.portId),
  }))
  return [...extra, ...defaults]
}

/** The router's tables, for `nft -f -` in its namespace. */
export function renderTranslation(router: RouterSpec): string {
  const { gateway } = router
  const pairs = floatingIps(router)
  const own = gateway?.addresses.find(ofVersion4)
  const outside = gateway === null ? null : `"${gatewayName(gateway.portId)}"`
  const translation =
    outside === null
      ? []
      : [
          `oifname ${outside} snat to ip saddr map @outward`,
          ...(gateway?.snat === true && own !== undefined
            ? [`oifname ${outside} snat to ${parseCidr(own).address}`]
            : []),
          // From inside to a floating IP: the answer must come back here to be translated again.
          'iifname "qr-*" oifname "qr-*" ct status dnat snat to ip saddr map @outward',
          'iifname "qr-*" oifname "qr-*" ct status dnat masquerade',
        ]
  const table = block('table ip pileus', [
    ...block('map inward', [
      'type ipv4_addr : ipv4_addr',
      ...elements(pairs.map((pair) => `${pair.floating} : ${pair.fixed}`)),
    ]),
    ...block('map outward', [
      'type ipv4_addr : ipv4_addr',
      ...elements(pairs.map((pair) => `${pair.fixed} : ${pair.floating}`)),
    ]),
    ...block('chain arriving', [
      'type nat hook prerouting priority -100; policy accept;',
      'dnat to ip daddr map @inward',
    ]),
    ...block('chain leaving', ['type nat hook postrouting priority 100; policy accept;', ...translation]),
  ])
  // dnsmasq is here for router advertisements only; DHCPv6 is answered by each host's own server.
  const guard = block('table ip6 pileus', [
    ...block('chain arriving', ['type filter hook input priority 0; policy accept;', 'udp dport 547 drop']),
  ])
  return replaceTable('ip', 'pileus', table.join('\n')) + replaceTable('ip6', 'pileus', guard.join('\n'))
}

/** dnsmasq's configuration for router advertisements; null when no subnet of the router wants them. */
export function renderAdvertisements(
  router: RouterSpec,
  networks: ReadonlyMap<string, NetworkSpec>,
  directory: string,
): string | null {
  const links: string[] = []
  const ranges: string[] = []
  for (const port of router.interfaces) {
    const network = networks.get(port.networkId)
    if (network === undefined) continue
    const link = routerInterfaceName(port.portId)
    const found = port.addresses.map((cidr) => subnetAt(network, parseCidr(cidr).address))
    const subnets = [...new Set(found)].filter((subnet) => subnet?.version === 6 && subnet.raMode !== null)
    if (subnets.length === 0) continue
    links.push(`interface=${link}`, `ra-param=${link},mtu:${network.mtu},200,1800`)
    for (const subnet of subnets) if (subnet !== undefined) ranges.push(...advertisedRange(subnet))
  }
  return ranges.length === 0 ? null : lines([...commonConfig(directory), 'enable-ra', ...links, ...ranges])
}

const rangeMode = { slaac: 'ra-only', 'dhcpv6-stateless': 'ra-stateless', 'dhcpv6-stateful': 'static' } as const

function advertisedRange(subnet: SubnetSpec): string[] {
  const mode = rangeMode[subnet.raMode ?? 'slaac']
  const dns = subnet.dns.filter((address) => address.includes(':')).map((address) => `[${canonical(address)}]`)
  const tag = subnetTag(subnet)
  return [
    `dhcp-range=set:${tag},${networkAddress(subnet.cidr)},${mode},${parseCidr(subnet.cidr).prefix}`,
    ...(dns.length > 0 ? [`dhcp-option=tag:${tag},option6:23,${dns.join(',')}`] : []),
  ]
}
