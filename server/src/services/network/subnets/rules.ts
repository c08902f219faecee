// What a subnet may be: pure checks, in Neutron's words and with its error names.
import { conflict, invalid } from '#lib/fault.ts'
import {
  type Cidr,
  contains,
  defaultPools,
  formatAddress,
  formatCidr,
  inCidr,
  overlaps,
  parseAddress,
  parseCidr,
  type Range,
  usableRange,
} from '../addresses.ts'
import type { AddressMode, AddressRange, HostRoute } from '../model.ts'

const badInput = (message: string): never => invalid(message, { code: 'InvalidInput' })

const multicast = [parseCidr('224.0.0.0/4')!, parseCidr('ff00::/8')!]
const loopback = [parseCidr('127.0.0.0/8')!, parseCidr('::1/128')!]

/** The network part of what was written. */
export function readCidr(text: string, version: 4 | 6, dhcp: boolean): Cidr {
  const cidr = parseCidr(text)
  if (!cidr || !text.includes('/')) return badInput(`'${text}' is not a valid CIDR.`)
  if (cidr.value !== cidr.first) badInput(`'${text}' is not a valid CIDR: '${formatCidr(cidr)}' is recommended.`)
  if (cidr.version !== version) badInput(`The ip_version ${version} does not match the cidr '${text}'.`)
  if (cidr.prefix === 0) badInput('0 is not allowed as CIDR prefix length.')
  if (dhcp) {
    if (multicast.some((each) => contains(each, cidr)))
      badInput('Multicast IP subnet is not supported if enable_dhcp is True.')
    if (loopback.some((each) => contains(each, cidr)))
      badInput('Loopback IP subnet is not supported if enable_dhcp is True.')
  }
  requireRoomForDhcp(cidr, dhcp)
  return cidr
}

export function requireRoomForDhcp(cidr: Cidr, dhcp: boolean): void {
  if (dhcp && cidr.last - cidr.first < 3n)
    badInput(
      `Subnet has a prefix length that is incompatible with DHCP service enabled: ${formatCidr(cidr)} has too few addresses.`,
    )
}

export function requireModes(
  version: 4 | 6,
  prefix: number,
  dhcp: boolean,
  raMode: AddressMode | null,
  addressMode: AddressMode | null,
): void {
  if (raMode === null && addressMode === null) return
  if (version === 4) badInput('ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4.')
  if (!dhcp) badInput('ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.')
  if (raMode !== null && addressMode !== null && raMode !== addressMode)
    badInput(
      `ipv6_ra_mode set to '${raMode}' with ipv6_address_mode set to '${addressMode}' is not valid. If both attributes are set, they must be the same value.`,
    )
  for (const mode of [raMode, addressMode])
    if (mode !== null && mode !== 'dhcpv6-stateful' && prefix !== 64)
      badInput(`Invalid CIDR for IPv6 address mode: ${mode} needs a prefix of 64 bits, and not of ${prefix}.`)
}

/** The gateway's address: undefined asks for the default, the first address; null for none. */
export function readGateway(text: string | null | undefined, cidr: Cidr): string | null {
  if (text === null) return null
  if (text === undefined) {
    const { start, end } = usableRange(cidr)
    return start > end ? null : formatAddress(cidr.version, start)
  }
  const address = parseAddress(text)
  if (!address) return badInput(`'${text}' is not a valid IP address for gateway_ip.`)
  if (address.version !== cidr.version) badInput(`The gateway_ip '${text}' is not of the subnet's IP version.`)
  const { start, end } = usableRange(cidr)
  // IPv6's first address may be a router's; an address outside the subnet is reached on the link
  const lowest = cidr.version === 6 ? cidr.first : start
  if (inCidr(cidr, address) && (address.value < lowest || address.value > end))
    badInput(`Gateway '${text}' is not valid: it is the network or the broadcast address of ${formatCidr(cidr)}.`)
  return formatAddress(address.version, address.value)
}

/** The ranges that addresses come from; without pools all but the gateway. Throws invalid and conflict. */
export function readPools(
  pools: readonly AddressRange[] | null | undefined,
  cidr: Cidr,
  gateway: string | null,
): AddressRange[] {
  const gatewayValue = gateway === null ? undefined : parseAddress(gateway)?.value
  const ranges = pools ? mergeTouching(checkRanges(pools, cidr), cidr) : defaultPools(cidr, gatewayValue)
  const form = (value: bigint) => formatAddress(cidr.version, value)
  for (const { start, end } of ranges)
    if (gatewayValue !== undefined && start <= gatewayValue && gatewayValue <= end)
      conflict(`Gateway ip ${gateway} conflicts with allocation pool ${form(start)}-${form(end)}.`, {
        code: 'GatewayConflictWithAllocationPools',
      })
  return ranges.map(({ start, end }) => ({ start: form(start), end: form(end) }))
}

function checkRanges(pools: readonly AddressRange[], cidr: Cidr): Range[] {
  const { start: lowest, end: highest } = usableRange(cidr)
  return pools.map(({ start, end }) => {
    const [from, to] = [parseAddress(start), parseAddress(end)]
    if (!from || !to || from.version !== to.version || from.version !== cidr.version || from.value > to.value)
      return invalid(`The allocation pool ${start}-${end} is not valid.`, { code: 'InvalidAllocationPool' })
    if (from.value < lowest || to.value > highest)
      invalid(`The allocation pool ${start}-${end} spans beyond the subnet cidr ${formatCidr(cidr)}.`, {
        code: 'OutOfBoundsAllocationPool',
      })
    return { start: from.value, end: to.value }
  })
}

function mergeTouching(ranges: readonly Range[], cidr: Cidr): Range[] {
  const sorted = ranges.toSorted((a, b) => (a.start < b.start ? -1 : 1))
  for (const [i, range] of sorted.entries()) {
    const next = sorted[i + 1]
    if (next && next.start <= range.end)
      conflict(`Found overlapping allocation pools for subnet ${formatCidr(cidr)}.`, {
        code: 'OverlappingAllocationPools',
      })
  }
  return sorted
}

export function readDns(servers: readonly string[] | null | undefined): string[] {
  const read = (servers ?? []).map((text) => {
    const address = parseAddress(text)
    if (!address) return badInput(`'${text}' is not a valid nameserver: it must be an IP address.`)
    return formatAddress(address.version, address.value)
  })
  if (new Set(read).size !== read.length) badInput('Invalid data format for nameservers: there are duplicates.')
  if (read.length > 5) badInput(`Unable to complete operation: the number of DNS nameservers exceeds the limit 5.`)
  return read
}

export function readRoutes(routes: readonly HostRoute[] | null | undefined, version: 4 | 6): HostRoute[] {
  const read = (routes ?? []).map(({ destination, nexthop }) => {
    const cidr = parseCidr(destination)
    const hop = parseAddress(nexthop)
    if (!cidr || !destination.includes('/')) return badInput(`'${destination}' is not a valid CIDR of a host route.`)
    if (!hop) return badInput(`'${nexthop}' is not a valid next hop of a host route.`)
    if (cidr.version !== version || hop.version !== version)
      badInput(`The host route to ${destination} by ${nexthop} is not of the subnet's IP version.`)
    return { destination: formatCidr(cidr), nexthop: formatAddress(hop.version, hop.value) }
  })
  if (new Set(read.map(({ destination, nexthop }) => `${destination} ${nexthop}`)).size !== read.length)
    badInput('Invalid data format for host routes: there are duplicates.')
  if (read.length > 20) badInput('Unable to complete operation: the number of host routes exceeds the limit 20.')
  return read
}

/** Throws invalid when the new one meets another subnet of its network. */
export function requireNoOverlap(cidr: Cidr, networkId: string, others: readonly { id: string; cidr: string }[]): void {
  for (const other of others)
    if (overlaps(cidr, parseCidr(other.cidr)!))
      badInput(
        `Requested subnet with cidr: ${formatCidr(cidr)} for network: ${networkId} overlaps with another subnet: ${other.cidr} (${other.id}).`,
      )
}
