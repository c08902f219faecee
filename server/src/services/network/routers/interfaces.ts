import { eq, sql, type Tx } from '#lib/db.ts'
import { conflict, Fault, notFound } from '#lib/fault.ts'
import type { Asker, At } from '../at.ts'
import { cidrOf, inCidr, parseAddress } from '../addresses.ts'
import { interfaceOwner, type Port, port, type RouterRow, type Subnet } from '../model.ts'
import { findNetwork } from '../networks/model.ts'
import { createPort } from '../ports/create.ts'
import { removePorts } from '../ports/delete.ts'
import { takeAddress } from '../ports/allocate.ts'
import { findPort } from '../ports/model.ts'
import { updatePort } from '../ports/update.ts'
import { getSubnet } from '../subnets/model.ts'
import { portsOfRouter, type RouterPorts } from './model.ts'
import { badRequest, requireDisjoint, requireRoutable } from './rules.ts'

/** By subnet, the router gets the subnet's gateway address; by port, what the port has. */
export interface InterfaceWish {
  subnetId?: string | undefined
  portId?: string | undefined
}
export interface Interface {
  port: Port
  /** The subnets that this request was about. */
  subnetIds: string[]
}

/** Connects the router, whose row the caller holds. Throws invalid, conflict, notFound. */
export async function addInterface(
  tx: Tx,
  at: At,
  found: RouterRow,
  wish: InterfaceWish,
  asker: Asker,
): Promise<Interface> {
  if ((wish.subnetId === undefined) === (wish.portId === undefined))
    return badRequest(
      wish.portId === undefined
        ? 'Either subnet_id or port_id must be specified.'
        : 'Cannot specify both subnet-id and port-id.',
    )
  const ports = await portsOfRouter(tx, found.id)
  return wish.portId === undefined
    ? addSubnet(tx, at, found, ports, await getSubnet(tx, at.region, wish.subnetId!, asker))
    : addPort(tx, at, found, ports, wish.portId, asker)
}

async function addSubnet(tx: Tx, at: At, found: RouterRow, ports: RouterPorts, subnet: Subnet): Promise<Interface> {
  if (subnet.gateway === null) return badRequest('Subnet for router interface must have a gateway IP.')
  requireRoutable(subnet)
  requireDisjoint([subnet], ports.subnets.values())
  // one port of the router carries all IPv6 subnets of a network, for they are announced together
  const shared =
    subnet.ipVersion === 6
      ? ports.interfaces.find(
          (each) =>
            each.networkId === subnet.networkId &&
            each.fixedIps.some(({ subnetId }) => ports.subnets.get(subnetId)?.ipVersion === 6),
        )
      : undefined
  if (shared) {
    const place = { networkId: subnet.networkId, portId: shared.id, n: shared.fixedIps.length }
    const taken = await takeAddress(tx, subnet.id, subnet.gateway, place)
    return { port: { ...shared, fixedIps: [...shared.fixedIps, taken] }, subnetIds: [subnet.id] }
  }
  const network = (await findNetwork(tx, at.region, subnet.networkId)) ?? notFound('Network', subnet.networkId)
  const made = await createPort(tx, network, [subnet], {
    projectId: found.projectId,
    deviceId: found.id,
    deviceOwner: interfaceOwner,
    fixedIps: [{ subnetId: subnet.id, address: subnet.gateway }],
  })
  return { port: made, subnetIds: [subnet.id] }
}

async function addPort(
  tx: Tx,
  at: At,
  found: RouterRow,
  ports: RouterPorts,
  portId: string,
  asker: Asker,
): Promise<Interface> {
  const [locked] = await tx.select({ id: port.id }).from(port).where(eq(port.id, portId)).for('update')
  const there = locked && (await findPort(tx, at.region, portId))
  if (!there || (!asker.isAdmin && there.projectId !== asker.projectId)) return notFound('Port', portId)
  if (there.deviceId !== '')
    conflict(
      `Unable to complete operation on port ${portId} for network ${there.networkId}. Port already has an attached device ${there.deviceId}.`,
      {
        code: 'PortInUse',
      },
    )
  if (there.fixedIps.length === 0) return badRequest('Router port must have at least one fixed IP.')
  const subnets: Subnet[] = []
  for (const { subnetId } of there.fixedIps)
    subnets.push(await getSubnet(tx, at.region, subnetId, { isAdmin: true, projectId: '' }))
  if (subnets.filter(({ ipVersion }) => ipVersion === 4).length > 1)
    badRequest('Cannot have multiple IPv4 subnets on router port.')
  for (const subnet of subnets) requireRoutable(subnet)
  requireDisjoint(subnets, ports.subnets.values())
  const after = await updatePort(tx, at, portId, {
    deviceId: found.id,
    deviceOwner: interfaceOwner,
    portSecurity: false,
    securityGroupIds: [],
    allowedPairs: [],
  })
  return { port: after, subnetIds: subnets.map(({ id }) => id) }
}

/** Disconnects it. Throws notFound when it is not connected so, conflict while a floating IP or a route needs it. */
export async function removeInterface(tx: Tx, at: At, found: RouterRow, wish: InterfaceWish): Promise<Interface> {
  if (wish.subnetId === undefined && wish.portId === undefined)
    return badRequest('Either subnet_id or port_id must be specified.')
  const ports = await portsOfRouter(tx, found.id)
  const { portId, subnetId } = wish
  const connected = ports.interfaces.find(
    (each) =>
      (portId === undefined || each.id === portId) &&
      (subnetId === undefined || portId !== undefined || each.fixedIps.some((ip) => ip.subnetId === subnetId)),
  )
  if (!connected)
    throw new Fault(
      'notFound',
      portId === undefined
        ? `Router ${found.id} has no interface on subnet ${subnetId}.`
        : `Router ${found.id} does not have an interface with id ${portId}.`,
      { code: portId === undefined ? 'RouterInterfaceNotFoundForSubnet' : 'RouterInterfaceNotFound' },
    )
  if (portId !== undefined && subnetId !== undefined && !connected.fixedIps.some((ip) => ip.subnetId === subnetId))
    conflict(`Subnet on port ${portId} does not match the requested subnet ${subnetId}.`, {
      code: 'SubnetMismatchForPort',
    })
  const gone = portId === undefined ? [subnetId!] : connected.fixedIps.map((ip) => ip.subnetId)
  for (const id of gone) await requireUnneeded(tx, found, id, ports.subnets.get(id))
  const left = connected.fixedIps.filter((ip) => !gone.includes(ip.subnetId))
  if (left.length === 0) await removePorts(tx, at, [connected])
  else
    await tx.rows(
      sql`delete from ip_allocation where port_id = ${connected.id} and subnet_id = any(${`{${gone.join()}}`}::uuid[])`,
    )
  return { port: { ...connected, fixedIps: left }, subnetIds: gone }
}

async function requireUnneeded(tx: Tx, found: RouterRow, subnetId: string, subnet: Subnet | undefined): Promise<void> {
  const users = await tx.rows(sql`
    select 1 from floating_ip f join ip_allocation a on a.port_id = f.port_id and a.address = f.fixed_address
    where f.router_id = ${found.id} and a.subnet_id = ${subnetId} limit 1`)
  if (users.length > 0)
    conflict(
      `Router interface for subnet ${subnetId} on router ${found.id} cannot be deleted, as it is required by one or more floating IPs.`,
      { code: 'RouterInterfaceInUseByFloatingIP' },
    )
  if (subnet && found.routes.some(({ nexthop }) => inCidr(cidrOf(subnet.cidr), parseAddress(nexthop)!)))
    conflict(
      `Router interface for subnet ${subnetId} on router ${found.id} cannot be deleted, as it is required by one or more routes.`,
      { code: 'RouterInterfaceInUseByRoute' },
    )
}
