// What a router may be connected to and may route: pure checks, with Neutron's error names.
import { invalid } from '#lib/fault.ts'
import { cidrOf, formatAddress, formatCidr, inCidr, overlaps, parseAddress, parseCidr } from '../addresses.ts'
import type { HostRoute, Subnet } from '../model.ts'
import type { RouterPorts } from './model.ts'

const badRequest = (message: string): never => invalid(`Bad router request: ${message}`, { code: 'BadRequest' })

/** Throws invalid when one of the new subnets meets one that the router has. */
export function requireDisjoint(added: readonly Subnet[], has: Iterable<Subnet>): void {
  const there = [...has]
  for (const subnet of added) {
    if (there.some(({ id }) => id === subnet.id)) badRequest(`Router already has a port on subnet ${subnet.id}.`)
    const other = there.find(({ cidr }) => overlaps(cidrOf(cidr), cidrOf(subnet.cidr)))
    if (other)
      badRequest(`Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${other.cidr} of subnet ${other.id}.`)
  }
}

/** A subnet whose routers announce themselves cannot have another router. */
export function requireRoutable(subnet: Subnet): void {
  if (subnet.ipVersion === 6 && subnet.addressMode !== null && subnet.raMode === null)
    badRequest(
      `IPv6 subnet ${subnet.id} configured to receive RAs from an external router cannot be added to a router.`,
    )
}

/** Static routes: each next hop must be on a connected subnet, and not be the router itself. */
export function readRoutes(routes: readonly HostRoute[], ports: RouterPorts): HostRoute[] {
  const own = [...ports.interfaces, ...(ports.gateway ? [ports.gateway] : [])].flatMap(({ fixedIps }) =>
    fixedIps.map(({ address }) => address),
  )
  const fail = (route: HostRoute, reason: string): never =>
    invalid(`Invalid format for routes: {destination: ${route.destination}, nexthop: ${route.nexthop}}, ${reason}.`, {
      code: 'InvalidRoutes',
    })
  const read = routes.map((route) => {
    const cidr = parseCidr(route.destination)
    const hop = parseAddress(route.nexthop)
    if (!cidr || !route.destination.includes('/') || !hop)
      return invalid(`Invalid input for routes: ${route.destination} by ${route.nexthop} is not a route.`, {
        code: 'InvalidInput',
      })
    if (cidr.version !== hop.version) fail(route, 'the next hop is not of the same IP version')
    const nexthop = formatAddress(hop.version, hop.value)
    if (![...ports.subnets.values()].some((subnet) => inCidr(cidrOf(subnet.cidr), hop)))
      fail(route, 'the nexthop is not connected with router')
    if (own.includes(nexthop)) fail(route, 'the nexthop is used by router')
    return { destination: formatCidr(cidr), nexthop }
  })
  if (new Set(read.map(({ destination, nexthop }) => `${destination} ${nexthop}`)).size !== read.length)
    invalid('Invalid input for routes: there are duplicates.', { code: 'InvalidInput' })
  if (read.length > 30)
    invalid('Unable to complete operation: the number of routes exceeds the maximum 30.', { code: 'RoutesExhausted' })
  return read
}

export { badRequest }
