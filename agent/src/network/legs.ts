// A leg: a veth from a bridge of the data plane into the namespace of a service (DHCP, router).
// Pure: what is and what should be go in, lines for `ip -batch` come out.
import { canonical, networkAddress, parseCidr } from './address.ts'
import type { InnerLink, Link, Route } from './read.ts'

export interface Leg {
  /** Its name in the data-plane namespace. */
  outer: string
  inner: string
  namespace: string
  bridge: string
  mac: string
  mtu: number
  addresses: string[] // with prefix length
}

export interface LegPlan {
  outer: string[]
  inner: string[]
  /** Addresses the namespace did not have before, without prefix length. */
  added: string[]
}

export function planLeg(
  leg: Leg,
  outerLinks: ReadonlyMap<string, Link>,
  innerLinks: ReadonlyMap<string, InnerLink>,
): LegPlan {
  const outer: string[] = []
  const both = outerLinks.has(leg.outer) && innerLinks.has(leg.inner)
  if (!both) {
    if (outerLinks.has(leg.outer)) outer.push(`link del ${leg.outer}`)
    outer.push(
      `link add ${leg.outer} mtu ${leg.mtu} type veth` +
        ` peer name ${leg.inner} mtu ${leg.mtu} address ${leg.mac} netns ${leg.namespace}`,
    )
  }
  const outerNow = both ? outerLinks.get(leg.outer) : undefined
  const innerNow = both ? innerLinks.get(leg.inner) : undefined
  const outerChanges = [
    ...(outerNow?.master === leg.bridge ? [] : [`master ${leg.bridge}`]),
    ...(outerNow === undefined || outerNow.mtu === leg.mtu ? [] : [`mtu ${leg.mtu}`]),
    ...(outerNow?.up === true ? [] : ['up']),
  ]
  if (outerChanges.length > 0) outer.push(`link set ${leg.outer} ${outerChanges.join(' ')}`)

  const inner: string[] = []
  if (innerLinks.get('lo')?.up !== true) inner.push('link set lo up')
  const innerChanges = [
    ...(innerNow === undefined || innerNow.mac === leg.mac ? [] : [`address ${leg.mac}`]),
    ...(innerNow === undefined || innerNow.mtu === leg.mtu ? [] : [`mtu ${leg.mtu}`]),
  ]
  if (innerChanges.length > 0) inner.push(`link set ${leg.inner} ${innerChanges.join(' ')}`)
  const { lines, added } = planAddresses(leg.inner, leg.addresses, innerNow?.addresses ?? [])
  inner.push(...lines)
  if (innerNow?.up !== true) inner.push(`link set ${leg.inner} up`)
  return { outer, inner, added }
}

export function planAddresses(
  link: string,
  wished: readonly string[],
  now: readonly string[],
): { lines: string[]; added: string[] } {
  const wanted = new Set(wished.map(withPrefix))
  const present = new Set(now)
  // New ones first: removing the first address of a subnet would take the others with it, were none left.
  const added = [...wanted.difference(present)]
  const lines = added.map((cidr) => `addr add ${cidr} dev ${link}${cidr.includes(':') ? ' nodad' : ''}`)
  for (const cidr of present.difference(wanted)) lines.push(`addr del ${cidr} dev ${link}`)
  return { lines, added: added.map((cidr) => parseCidr(cidr).address) }
}

function withPrefix(cidr: string): string {
  const { address, prefix } = parseCidr(cidr)
  return `${canonical(address)}/${prefix}`
}

export interface RouteWish {
  destination: string // the default routes are 0.0.0.0/0 and ::/0
  via: string
  /** Set when the next hop is on no subnet of ours: it is then on this link all the same. */
  onlink: string | null
}

/** Lines for `ip -batch` that leave exactly these routes of our own. */
export function planRoutes(wished: readonly RouteWish[], now: readonly Route[]): string[] {
  const key = (version: 4 | 6, destination: string): string => `-${version} ${destination}`
  const present = new Map<string, Route>()
  for (const route of now) present.set(key(route.via.includes(':') ? 6 : 4, route.destination), route)
  const lines: string[] = []
  const wanted = new Set<string>()
  for (const wish of wished) {
    const { prefix, version } = parseCidr(wish.destination)
    const address = networkAddress(wish.destination)
    const host = prefix === (version === 4 ? 32 : 128)
    const destination = prefix === 0 ? 'default' : host ? address : `${address}/${prefix}`
    const name = key(version, destination)
    if (wanted.has(name)) continue // the first of several wins
    wanted.add(name)
    const is = present.get(name)
    if (is?.via === canonical(wish.via) && (wish.onlink === null || is.link === wish.onlink)) continue
    const link = wish.onlink === null ? '' : ` dev ${wish.onlink} onlink`
    lines.push(`route replace ${routeTarget(version, destination)} via ${canonical(wish.via)}${link} proto static`)
  }
  for (const [name, route] of present) {
    if (wanted.has(name)) continue
    const version = route.via.includes(':') ? 6 : 4
    lines.unshift(`route del ${routeTarget(version, route.destination)} proto static`)
  }
  return lines
}

// `default` alone means IPv4 to a batch that was not told otherwise.
function routeTarget(version: 4 | 6, destination: string): string {
  return destination === 'default' && version === 6 ? '::/0' : destination
}
