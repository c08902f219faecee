// All that one host must carry, as its agent reads it.
import type {
  HostNetwork,
  NetworkSpec,
  PortSpec,
  RouterSpec,
  SecurityRule,
  SubnetSpec,
} from '@pileus/contract/agent.ts'
import { and, type Db, eq, inArray, like, ne, sql } from '#lib/db.ts'
import { cidrOf, formatCidr } from '../addresses.ts'
import {
  dhcpOwner,
  floatingIp,
  gatewayOwner,
  interfaceOwner,
  network,
  type Network,
  type Port,
  port,
  router,
  type RouterRow,
  securityGroupRule,
  type Subnet,
} from '../model.ts'
import { subnetsOf } from '../networks/model.ts'
import { findPorts } from '../ports/model.ts'
import { protocolNumber } from '../security-groups/protocols.ts'

/** The ports bound to the host, the routers placed on it, their networks and what those need to know of other hosts. */
export async function describeHost(db: Db, region: string, host: string): Promise<HostNetwork> {
  const [machinePorts, routers] = await Promise.all([
    findPorts(db, and(eq(port.region, region), eq(port.host, host), like(port.deviceOwner, 'compute:%'))),
    db
      .select()
      .from(router)
      .where(and(eq(router.region, region), eq(router.host, host)))
      .orderBy(router.id),
  ])
  const routerPorts =
    routers.length === 0
      ? []
      : await findPorts(
          db,
          and(
            eq(port.region, region),
            inArray(
              port.deviceId,
              routers.map(({ id }) => id),
            ),
            inArray(port.deviceOwner, [interfaceOwner, gatewayOwner]),
          ),
        )
  const networkIds = [...new Set([...machinePorts, ...routerPorts].map(({ networkId }) => networkId))].toSorted()
  const [networks, subnets] = await Promise.all([
    networkIds.length === 0 ? [] : db.select().from(network).where(inArray(network.id, networkIds)).orderBy(network.id),
    subnetsOf(db, networkIds),
  ])
  const [dhcp, remote, filters, floating] = await Promise.all([
    dhcpPorts(db, networkIds),
    remotePorts(
      db,
      region,
      host,
      networks.filter(({ kind }) => kind === 'vxlan').map(({ id }) => id),
    ),
    rulesFor(db, region, machinePorts),
    routers.length === 0
      ? []
      : db
          .select()
          .from(floatingIp)
          .where(
            inArray(
              floatingIp.routerId,
              routers.map(({ id }) => id),
            ),
          )
          .orderBy(floatingIp.id),
  ])
  const bySubnet = new Map(subnets.map((each) => [each.id, each]))
  return {
    networks: networks.map((each) => describeNetwork(each, subnets, dhcp.get(each.id), remote.get(each.id) ?? [])),
    ports: machinePorts.map((each) => describePort(each, filters.rules)),
    routers: routers.map((each) =>
      describeRouter(
        each,
        routerPorts.filter(({ deviceId }) => deviceId === each.id),
        bySubnet,
        floating
          .filter(({ routerId, fixedAddress }) => routerId === each.id && fixedAddress !== null)
          .map(({ address, fixedAddress }) => ({ floating: address, fixed: fixedAddress! })),
      ),
    ),
    groups: filters.groups,
  }
}

function describeNetwork(
  { id, kind, segment, physical, mtu, dnsDomain }: Network,
  subnets: readonly Subnet[],
  dhcp: Port | undefined,
  remote: NetworkSpec['remote'],
): NetworkSpec {
  return {
    id,
    kind,
    segment,
    physical,
    mtu,
    // a network without DHCP has no DHCP port; the address then only names the server's end of the wire
    dhcpMac: dhcp?.mac ?? `fa:16:3f:${id.slice(-6).replaceAll(/(..)(?=.)/g, '$1:')}`,
    domain: dnsDomain.replace(/\.$/, ''),
    subnets: subnets
      .filter(({ networkId }) => networkId === id)
      .map((each) =>
        describeSubnet(each, dhcp?.fixedIps.find(({ subnetId }) => subnetId === each.id)?.address ?? null),
      ),
    remote,
  }
}

function describeSubnet(subnet: Subnet, dhcpAddress: string | null): SubnetSpec {
  const { id, ipVersion, cidr, gateway, dhcp, raMode, addressMode, dns, routes } = subnet
  return {
    id,
    version: ipVersion === 4 ? 4 : 6,
    cidr,
    gateway,
    dhcp,
    dhcpAddress,
    raMode,
    addressMode,
    dns,
    routes,
  }
}

function describePort(each: Port, rulesOf: Map<string, SecurityRule[]>): PortSpec {
  const { id, networkId, deviceId, mac, dnsName, adminUp, fixedIps, allowedPairs, portSecurity, dhcpOptions } = each
  const first = fixedIps[0]?.address.replaceAll(/[.:]+/g, '-')
  return {
    id,
    networkId,
    machineId: deviceId,
    mac,
    hostname: dnsName || (first === undefined ? '' : `host-${first}`),
    up: adminUp,
    addresses: fixedIps,
    allowedPairs: allowedPairs.map((pair) => ({
      mac: pair.mac === '' ? mac : pair.mac,
      cidr: formatCidr(cidrOf(pair.cidr)),
    })),
    secured: portSecurity,
    rules: portSecurity ? each.securityGroupIds.flatMap((group) => rulesOf.get(group) ?? []) : [],
    dhcpOptions,
  }
}

function describeRouter(
  { id, adminUp, snat, routes }: RouterRow,
  ports: readonly Port[],
  subnets: ReadonlyMap<string, Subnet>,
  floatingIps: RouterSpec['floatingIps'],
): RouterSpec {
  const common = ({ id: portId, networkId, mac, fixedIps }: Port) => ({
    portId,
    networkId,
    mac,
    addresses: fixedIps.map(({ subnetId, address }) => `${address}/${cidrOf(subnets.get(subnetId)!.cidr).prefix}`),
  })
  const gateway = ports.find(({ deviceOwner }) => deviceOwner === gatewayOwner)
  return {
    id,
    up: adminUp,
    interfaces: ports.filter(({ deviceOwner }) => deviceOwner === interfaceOwner).map(common),
    gateway: gateway
      ? {
          ...common(gateway),
          nexthops: gateway.fixedIps.flatMap(({ subnetId }) => subnets.get(subnetId)?.gateway ?? []),
          snat,
        }
      : null,
    floatingIps,
    routes,
  }
}

async function dhcpPorts(db: Db, networkIds: readonly string[]): Promise<Map<string, Port>> {
  if (networkIds.length === 0) return new Map()
  const found = await findPorts(db, and(inArray(port.networkId, [...networkIds]), eq(port.deviceOwner, dhcpOwner)))
  return new Map(found.map((each) => [each.networkId, each]))
}

async function remotePorts(
  db: Db,
  region: string,
  host: string,
  networkIds: readonly string[],
): Promise<Map<string, NetworkSpec['remote']>> {
  if (networkIds.length === 0) return new Map()
  const rows = await db.rows<{ network_id: string; mac: string; addresses: string[]; tunnel_address: string }>(sql`
    select p.network_id, p.mac, h.tunnel_address,
      array(select host(a.address) from ip_allocation a where a.port_id = p.id order by a.n, a.address) as addresses
    from port p join network_host h on h.region = p.region and h.host = p.host
    where p.region = ${region} and p.network_id in ${[...networkIds]} and p.host not in ('', ${host})
      and h.tunnel_address <> ''
    order by p.network_id, p.id`)
  const found = new Map<string, NetworkSpec['remote']>()
  for (const row of rows) {
    const spec = { mac: row.mac, addresses: row.addresses, tunnelAddress: row.tunnel_address }
    const list = found.get(row.network_id)
    if (list) list.push(spec)
    else found.set(row.network_id, [spec])
  }
  return found
}

/** The rules of the ports' groups by group, and the members of the groups that those rules name. */
async function rulesFor(
  db: Db,
  region: string,
  ports: readonly Port[],
): Promise<{ rules: Map<string, SecurityRule[]>; groups: HostNetwork['groups'] }> {
  const groupIds = [
    ...new Set(ports.filter(({ portSecurity }) => portSecurity).flatMap(({ securityGroupIds }) => securityGroupIds)),
  ]
  if (groupIds.length === 0) return { rules: new Map(), groups: {} }
  const rows = await db
    .select()
    .from(securityGroupRule)
    .where(inArray(securityGroupRule.groupId, groupIds))
    .orderBy(securityGroupRule.id)
  const rules = new Map<string, SecurityRule[]>()
  for (const row of rows) {
    const spec: SecurityRule = {
      direction: row.direction,
      version: row.etherType === 'IPv4' ? 4 : 6,
      protocol: row.protocol === null ? null : (protocolNumber(row.protocol, row.etherType) ?? null),
      portMin: row.portMin,
      portMax: row.portMax,
      remoteCidr: row.remoteCidr === null ? null : formatCidr(cidrOf(row.remoteCidr)),
      remoteGroup: row.remoteGroupId,
    }
    const list = rules.get(row.groupId)
    if (list) list.push(spec)
    else rules.set(row.groupId, [spec])
  }
  const named = [...new Set(rows.flatMap(({ remoteGroupId }) => remoteGroupId ?? []))]
  const groups: HostNetwork['groups'] = Object.fromEntries(named.map((id) => [id, []]))
  if (named.length > 0) {
    const members = await findPorts(
      db,
      and(eq(port.region, region), ne(port.host, ''), sql`${port.securityGroupIds} && ${`{${named.join()}}`}::uuid[]`),
    )
    for (const { securityGroupIds, fixedIps } of members)
      for (const id of securityGroupIds) groups[id]?.push(...fixedIps.map(({ address }) => address))
  }
  return { rules, groups }
}
