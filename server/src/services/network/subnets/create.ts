import { and, eq, inArray, notInArray, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import type { Asker, At } from '../at.ts'
import { cidrOf, eui64, formatCidr } from '../addresses.ts'
import { hostsAround, tellHosts } from '../hosts/changed.ts'
import {
  type AddressMode,
  type AddressRange,
  floatingOwner,
  gatewayOwner,
  type HostRoute,
  interfaceOwner,
  ipAllocation,
  network,
  port,
  type Subnet,
  subnet,
} from '../model.ts'
import { subnetsOf } from '../networks/model.ts'
import { takeAddress } from '../ports/allocate.ts'
import { carried, ensureDhcpPorts } from '../ports/dhcp.ts'
import { isAuto } from '../ports/fixed-ips.ts'
import { allocatePrefix } from '../subnet-pools/allocate.ts'
import { readCidr, readDns, readGateway, readPools, readRoutes, requireModes, requireNoOverlap } from './rules.ts'

export interface NewSubnet {
  projectId: string
  networkId: string
  version: 4 | 6
  /** Undefined: a prefix from the pool. */
  cidr: string | undefined
  subnetPoolId: string | undefined
  prefixLength: number | undefined
  gateway: string | null | undefined
  pools: readonly AddressRange[] | null | undefined
  dhcp: boolean
  dns: readonly string[] | null | undefined
  routes: readonly HostRoute[] | null | undefined
  raMode: AddressMode | null
  addressMode: AddressMode | null
  name: string
  description: string
  serviceTypes: string[]
  publishDns: boolean
}

/** Makes a subnet, with a prefix of its own or from a pool. Throws invalid, conflict, notFound. */
export async function createSubnet(tx: Tx, at: At, spec: NewSubnet, asker: Asker): Promise<Subnet> {
  // two subnets of one network are made one after the other, so that they cannot overlap unseen
  const [on] = await tx
    .select()
    .from(network)
    .where(and(eq(network.region, at.region), eq(network.id, spec.networkId)))
    .for('no key update')
  if (!on) return notFound('Network', spec.networkId)
  const others = await subnetsOf(tx, [on.id])
  requireOnePool(on.id, spec, others)
  const cidr =
    spec.subnetPoolId === undefined
      ? readCidr(spec.cidr ?? '', spec.version, spec.dhcp)
      : await allocatePrefix(tx, at, {
          id: spec.subnetPoolId,
          version: spec.version,
          cidr: spec.cidr,
          prefixLength: spec.prefixLength,
          projectId: spec.projectId,
          asker,
        })
  const { raMode, addressMode, dhcp } = spec
  requireModes(spec.version, cidr.prefix, dhcp, raMode, addressMode)
  requireNoOverlap(cidr, on.id, others)
  const gateway = readGateway(spec.gateway, cidr)
  const [made] = await tx
    .insert(subnet)
    .values({
      id: newId(),
      region: at.region,
      projectId: spec.projectId,
      networkId: on.id,
      name: spec.name,
      description: spec.description,
      ipVersion: spec.version,
      cidr: formatCidr(cidr),
      gateway,
      dhcp,
      dns: readDns(spec.dns),
      routes: readRoutes(spec.routes, spec.version),
      pools: readPools(spec.pools, cidr, gateway),
      raMode,
      addressMode,
      subnetPoolId: spec.subnetPoolId ?? null,
      serviceTypes: spec.serviceTypes,
      publishDns: spec.publishDns,
    })
    .returning()
  const row = made!
  if (isAuto(row)) await addAutoAddresses(tx, row)
  if (dhcp) await ensureDhcpPorts(tx, at, await carried(tx, [on.id]))
  tellHosts(tx, at, await hostsAround(tx, at.region, [on.id]))
  await emit(tx, { type: 'subnet.created', resourceId: row.id, projectId: row.projectId, region: at.region })
  return row
}

/** Machines on the network make themselves an address in the new subnet; what they have is written down. */
async function addAutoAddresses(tx: Tx, made: Subnet): Promise<void> {
  const ports = await tx
    .select({ id: port.id, mac: port.mac })
    .from(port)
    .where(
      and(
        eq(port.networkId, made.networkId),
        notInArray(port.deviceOwner, [interfaceOwner, gatewayOwner, floatingOwner]),
      ),
    )
  if (ports.length === 0) return
  const has = await tx
    .select({ portId: ipAllocation.portId, n: ipAllocation.n })
    .from(ipAllocation)
    .where(
      inArray(
        ipAllocation.portId,
        ports.map(({ id }) => id),
      ),
    )
  for (const { id, mac } of ports) {
    const n = 1 + Math.max(-1, ...has.filter(({ portId }) => portId === id).map((each) => each.n))
    await takeAddress(tx, made.id, eui64(cidrOf(made.cidr), mac), { networkId: made.networkId, portId: id, n })
  }
}

/** Neutron: all subnets of one version on a network come from one pool, or none does. */
function requireOnePool(networkId: string, spec: NewSubnet, others: readonly Subnet[]): void {
  const odd = others.find(
    (other) => other.ipVersion === spec.version && other.subnetPoolId !== (spec.subnetPoolId ?? null),
  )
  if (odd)
    invalid(`Subnets hosted on the same network ${networkId} must be allocated from the same subnet pool.`, {
      code: 'NetworkSubnetPoolAffinityError',
    })
}
