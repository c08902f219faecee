import { and, eq, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { cidrOf } from '../addresses.ts'
import { hostsAround, tellHosts } from '../hosts/changed.ts'
import { type AddressRange, type HostRoute, interfaceOwner, ipAllocation, port, type Subnet, subnet } from '../model.ts'
import { carried, ensureDhcpPorts } from '../ports/dhcp.ts'
import { readDns, readGateway, readPools, readRoutes, requireModes, requireRoomForDhcp } from './rules.ts'

export interface SubnetChange {
  name?: string
  description?: string
  gateway?: string | null
  pools?: readonly AddressRange[] | null
  dhcp?: boolean
  dns?: readonly string[] | null
  routes?: readonly HostRoute[] | null
  serviceTypes?: string[]
  publishDns?: boolean
}

/** Throws invalid, and conflict when a router has the old gateway's address. */
export async function updateSubnet(tx: Tx, at: At, id: string, change: SubnetChange): Promise<Subnet> {
  const [before] = await tx
    .select()
    .from(subnet)
    .where(and(eq(subnet.region, at.region), eq(subnet.id, id)))
    .for('no key update')
  if (!before) return notFound('Subnet', id)
  const { gateway, pools, dns, routes, ...plain } = change
  const cidr = cidrOf(before.cidr)
  const version = before.ipVersion === 4 ? 4 : 6
  const set: Partial<Subnet> = { ...plain }
  if (gateway !== undefined) set.gateway = readGateway(gateway, cidr)
  if (set.gateway !== undefined && set.gateway !== before.gateway) await requireFreeGateway(tx, before)
  const gatewayAfter = set.gateway === undefined ? before.gateway : set.gateway
  if (pools != null) set.pools = readPools(pools, cidr, gatewayAfter)
  else if (set.gateway !== undefined) readPools(before.pools, cidr, gatewayAfter)
  if (dns !== undefined) set.dns = readDns(dns)
  if (routes !== undefined) set.routes = readRoutes(routes, version)
  if (change.dhcp !== undefined && change.dhcp !== before.dhcp) {
    requireRoomForDhcp(cidr, change.dhcp)
    requireModes(version, cidr.prefix, change.dhcp, before.raMode, before.addressMode)
  }
  const [after] = await tx
    .update(subnet)
    .set({ ...set, revision: sql`${subnet.revision} + 1`, updatedAt: sql`now()` })
    .where(eq(subnet.id, id))
    .returning()
  if (after!.dhcp) await ensureDhcpPorts(tx, at, await carried(tx, [before.networkId]))
  tellHosts(tx, at, await hostsAround(tx, at.region, [before.networkId]))
  await emit(tx, { type: 'subnet.updated', resourceId: id, projectId: before.projectId, region: at.region })
  return after!
}

async function requireFreeGateway(tx: Tx, { id, gateway }: Subnet): Promise<void> {
  if (gateway === null) return
  const [user] = await tx
    .select({ id: port.id })
    .from(ipAllocation)
    .innerJoin(port, eq(port.id, ipAllocation.portId))
    .where(and(eq(ipAllocation.subnetId, id), eq(ipAllocation.address, gateway), eq(port.deviceOwner, interfaceOwner)))
  if (user)
    conflict(`Current gateway ip ${gateway} already in use by port ${user.id}. Unable to update.`, {
      code: 'GatewayIpInUse',
    })
}
