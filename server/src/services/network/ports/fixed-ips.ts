// Which addresses a port shall have: from what was asked for and from the network's subnets.
import type { Tx } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { cidrOf, eui64, inCidr, parseAddress, usableRange } from '../addresses.ts'
import { dhcpOwner, type FixedIp, interfaceOwner, type Network, type Subnet } from '../model.ts'
import { type Place, takeAddress, takeAnyAddress } from './allocate.ts'

/** What a request says of one address; both members may be there. */
export interface FixedIpWish {
  subnetId?: string | undefined
  address?: string | undefined
}
type Wanted = { subnet: Subnet; address: string } | { anyOf: readonly Subnet[] }

/** Machines make their own address in it. */
export function isAuto(subnet: Subnet): boolean {
  return subnet.addressMode === 'slaac' || subnet.addressMode === 'dhcpv6-stateless'
}
const isRouterOwner = (owner: string) => owner === interfaceOwner

export interface Needy {
  id: string
  mac: string
  deviceOwner: string
}

/**
 * Allocates the addresses of a new port: those wished for, or one IPv4 and one IPv6 address when `wishes` is undefined;
 * and in both cases those that the machine will make for itself. Throws invalid and conflict.
 */
export async function takeFixedIps(
  tx: Tx,
  port: Needy,
  network: Pick<Network, 'id'>,
  subnets: readonly Subnet[],
  wishes: readonly FixedIpWish[] | undefined,
): Promise<FixedIp[]> {
  return takeWanted(tx, port, network.id, wantedIps(port, network, subnets, wishes), 0)
}

export async function takeWanted(
  tx: Tx,
  port: Needy,
  networkId: string,
  wanted: readonly Wanted[],
  firstPlace: number,
): Promise<FixedIp[]> {
  const taken: FixedIp[] = []
  for (const [i, each] of wanted.entries()) {
    const at: Place = { networkId, portId: port.id, n: firstPlace + i }
    taken.push(
      'anyOf' in each
        ? await takeAnyAddress(tx, each.anyOf, at)
        : await takeAddress(tx, each.subnet.id, each.address, at),
    )
  }
  return taken
}

/** `kept` are addresses that the port has already and keeps. */
export function wantedIps(
  port: Needy,
  network: Pick<Network, 'id'>,
  subnets: readonly Subnet[],
  wishes: readonly FixedIpWish[] | undefined,
  kept: readonly FixedIp[] = [],
): Wanted[] {
  const serving = subnets.filter((subnet) => serves(subnet, port.deviceOwner, subnets))
  const wanted: Wanted[] = []
  if (wishes) for (const wish of wishes) wanted.push(wantedBy(port, network, subnets, wish))
  else
    for (const candidates of [
      serving.filter((each) => each.ipVersion === 4),
      serving.filter((each) => each.ipVersion === 6 && !isAuto(each)),
    ])
      if (candidates.length > 0) wanted.push({ anyOf: candidates })
  if (!isRouterOwner(port.deviceOwner)) {
    for (const subnet of serving.filter(isAuto)) {
      const there = wanted.some((each) => 'subnet' in each && each.subnet.id === subnet.id)
      if (!there && !kept.some(({ subnetId }) => subnetId === subnet.id))
        wanted.push({ subnet, address: eui64(cidrOf(subnet.cidr), port.mac) })
    }
  }
  return wanted
}

function wantedBy(port: Needy, network: Pick<Network, 'id'>, subnets: readonly Subnet[], wish: FixedIpWish): Wanted {
  const address = wish.address === undefined ? undefined : parseAddress(wish.address)
  if (wish.address !== undefined && !address) invalid(`'${wish.address}' is not a valid IP address.`)
  if (wish.subnetId === undefined) {
    if (!address) return invalid('A fixed IP needs a subnet_id or an ip_address.', { code: 'InvalidInput' })
    const subnet = subnets.find((each) => inCidr(cidrOf(each.cidr), address))
    if (!subnet)
      return invalid(`IP address ${wish.address} is not a valid IP for any of the subnets on network ${network.id}.`, {
        code: 'InvalidIpForNetwork',
      })
    return exactly(port, subnet, wish.address!)
  }
  const subnet = subnets.find(({ id }) => id === wish.subnetId)
  if (!subnet)
    return invalid(
      `Subnet ${wish.subnetId} is not on network ${network.id}: a fixed IP must be in one of its subnets.`,
      {
        code: 'InvalidInput',
      },
    )
  if (address) return exactly(port, subnet, wish.address!)
  if (isAuto(subnet) && !isRouterOwner(port.deviceOwner))
    return { subnet, address: eui64(cidrOf(subnet.cidr), port.mac) }
  return { anyOf: [subnet] }
}

function exactly(port: Needy, subnet: Subnet, text: string): Wanted {
  const cidr = cidrOf(subnet.cidr)
  const address = parseAddress(text)!
  const { start, end } = usableRange(cidr)
  if (!inCidr(cidr, address) || address.value < start || address.value > end)
    return invalid(`IP address ${text} is not a valid IP for the specified subnet ${subnet.id}.`, {
      code: 'InvalidIpForSubnet',
    })
  if (isAuto(subnet) && !isRouterOwner(port.deviceOwner) && port.deviceOwner !== dhcpOwner) {
    if (address.value !== parseAddress(eui64(cidr, port.mac))!.value)
      return invalid(
        `IPv6 address ${text} can not be directly assigned to a port on subnet ${subnet.id} as the subnet is configured for automatic addresses.`,
        { code: 'AllocationOnAutoAddressSubnet' },
      )
  }
  return { subnet, address: text }
}

/** Neutron's service types: a subnet that names some serves only their ports, and those ports prefer such subnets. */
function serves(subnet: Subnet, deviceOwner: string, all: readonly Subnet[]): boolean {
  if (subnet.serviceTypes.length > 0) return subnet.serviceTypes.includes(deviceOwner)
  return !all.some(
    (other) => other.ipVersion === subnet.ipVersion && deviceOwner !== '' && other.serviceTypes.includes(deviceOwner),
  )
}
