// What compute asks for a new server: ports made for it, or ports of its owner that it may have.
import { and, asc, eq, inArray, or, sql, type Tx } from '#lib/db.ts'
import { conflict, Fault, forbidden, invalid } from '#lib/fault.ts'
import { isUuid } from '#lib/id.ts'
import { requireQuota } from '#lib/quota.ts'
import type { Asker, At } from '../at.ts'
import { type Network, network, port, type Port, type PortRow, securityGroup } from '../model.ts'
import { getNetwork, isSharedWith, networksOf, subnetsOf } from '../networks/model.ts'
import { createPort } from '../ports/create.ts'
import { withFixedIps } from '../ports/model.ts'
import { ensureDefaultGroup } from '../security-groups/default.ts'
import { portsOfServer, type ServerPort } from './list.ts'

/** One NIC of a request: a port that exists, or a network to make one on. */
export interface NicWish {
  portId?: string | undefined
  networkId?: string | undefined
  fixedIp?: string | undefined
  tag?: string | undefined
}
/** Who asks for NICs; `attachesExternal`: also on external networks that are not shared with the project. */
export interface NicAsker extends Asker {
  attachesExternal: boolean
}
export interface ServerPortsWish {
  projectId: string
  serverId: string
  /** Becomes the port's DNS name, and the name that DHCP gives to the guest. */
  hostname: string
  /** `auto`: the project's one usable network, or no NIC when it has none. */
  requested: 'auto' | 'none' | readonly NicWish[]
  /** Names or ids, for the ports that are made; empty: the default group. */
  securityGroups: readonly string[]
  /** For the device owner `compute:<zone>`. */
  availabilityZone: string
  actor: NicAsker
}

/**
 * Makes and adopts the ports of a new server. Throws invalid (an unknown network, port or group, an address outside the
 * subnet), conflict (a port or address in use, several networks to choose from), forbidden (an external network that is
 * not shared, an address chosen on another's network), overQuota.
 */
export async function allocateServerPorts(tx: Tx, at: At, wish: ServerPortsWish): Promise<ServerPort[]> {
  const nics = wish.requested === 'auto' ? await chooseNetwork(tx, at, wish) : wish.requested
  if (nics === 'none' || nics.length === 0) return []
  const made = nics.filter(({ portId }) => portId === undefined)
  await requireQuota(tx, { service: 'network', region: at.region, projectId: wish.projectId }, { port: made.length })
  const groups = made.length > 0 ? await resolveGroups(tx, at, wish) : []
  for (const [place, nic] of nics.entries()) {
    if (nic.portId === undefined) await makePort(tx, at, wish, nic, place, groups)
    else await adoptPort(tx, at, wish, nic, place)
  }
  return portsOfServer(tx, wish.serverId)
}

/** The network that a project's servers are on without naming one. An external network must be named. */
async function chooseNetwork(tx: Tx, at: At, { projectId }: ServerPortsWish): Promise<NicWish[]> {
  const rows = await tx
    .select({ id: network.id, name: network.name })
    .from(network)
    .where(
      and(
        eq(network.region, at.region),
        networksOf(projectId, false),
        sql`not (${network.external} and not ${network.shared})`,
        sql`exists (select 1 from subnet s where s.network_id = ${network.id})`,
      ),
    )
    .orderBy(asc(network.id))
    .limit(3)
  if (rows.length > 1)
    conflict('Multiple possible networks found, use a Network ID to be more specific.', { code: 'NetworkAmbiguous' })
  return rows.map(({ id }) => ({ networkId: id }))
}

async function makePort(
  tx: Tx,
  at: At,
  wish: ServerPortsWish,
  nic: NicWish,
  place: number,
  groups: readonly string[],
): Promise<Port> {
  const on = await requireNetwork(tx, at, nic.networkId ?? '', wish.actor)
  const { projectId, isAdmin } = wish.actor
  // as create_port:fixed_ips:ip_address has it
  if (nic.fixedIp !== undefined && on.projectId !== projectId && !isAdmin)
    forbidden(`Addresses on network ${on.id} are chosen by its owner only.`, { code: 'PolicyNotAuthorized' })
  const subnets = await subnetsOf(tx, [on.id])
  if (subnets.length === 0)
    invalid(`Network ${on.id} requires a subnet in order to boot servers on it.`, { code: 'NetworkRequiresSubnet' })
  return createPort(tx, on, subnets, {
    projectId: wish.projectId,
    deviceId: wish.serverId,
    deviceOwner: `compute:${wish.availabilityZone}`,
    dnsName: wish.hostname,
    attached: true,
    madeForServer: true,
    devicePlace: place,
    ...(nic.tag !== undefined && { deviceTag: nic.tag }),
    ...(nic.fixedIp !== undefined && { fixedIps: [{ address: nic.fixedIp }] }),
    securityGroupIds: on.portSecurity ? groups : [],
  })
}

/** A network that the project's servers may use. */
export async function requireNetwork(tx: Tx, at: At, id: string, actor: NicAsker): Promise<Network> {
  const on = isUuid(id)
    ? await getNetwork(tx, at.region, id, actor).catch((error: unknown) => {
        if (error instanceof Fault && error.kind === 'notFound') return undefined
        throw error
      })
    : undefined
  if (!on) return invalid(`Network ${id} could not be found.`, { code: 'NetworkNotFound' })
  if (on.external && !actor.attachesExternal && !(await isSharedWith(tx, on, actor.projectId)))
    forbidden(`It is not allowed to create an interface on external network ${id}.`, {
      code: 'ExternalNetworkAttachForbidden',
    })
  return on
}

/** Makes a port that exists the server's own until the server goes. */
export async function adoptPort(
  tx: Tx,
  at: At,
  wish: Pick<ServerPortsWish, 'projectId' | 'serverId' | 'hostname' | 'availabilityZone' | 'actor'>,
  nic: NicWish,
  place: number,
): Promise<void> {
  const id = nic.portId ?? ''
  const [found] = isUuid(id)
    ? await tx
        .select()
        .from(port)
        .where(
          and(
            eq(port.region, at.region),
            eq(port.id, id),
            wish.actor.isAdmin ? undefined : eq(port.projectId, wish.projectId),
          ),
        )
        .for('update')
    : []
  if (!found) return invalid(`Port ${id} could not be found.`, { code: 'PortNotFound' })
  if (found.deviceId !== '' || found.deviceOwner.startsWith('network:'))
    conflict(`Port ${id} is still in use.`, { code: 'PortInUse' })
  const [withIps] = await withFixedIps(tx, [found])
  if (withIps!.fixedIps.length === 0 && found.portSecurity)
    invalid(`Port ${id} requires a FixedIP in order to be used.`, { code: 'PortRequiresFixedIP' })
  const change: Partial<PortRow> = {
    deviceId: wish.serverId,
    deviceOwner: `compute:${wish.availabilityZone}`,
    attached: true,
    devicePlace: place,
    deviceTag: nic.tag ?? null,
    ...(found.dnsName === '' && { dnsName: wish.hostname }),
  }
  await tx
    .update(port)
    .set({ ...change, revision: sql`${port.revision} + 1`, updatedAt: new Date() })
    .where(eq(port.id, id))
}

/** Ids of the groups named by id or by name. Throws invalid for one that is not there, conflict for an ambiguous name. */
export async function resolveGroups(
  tx: Tx,
  at: At,
  { projectId, securityGroups }: Pick<ServerPortsWish, 'projectId' | 'securityGroups'>,
): Promise<string[]> {
  const wanted = [...new Set(securityGroups)]
  if (wanted.length === 0) return [await ensureDefaultGroup(tx, at.region, projectId)]
  if (wanted.includes('default')) await ensureDefaultGroup(tx, at.region, projectId)
  const ids = wanted.filter(isUuid)
  const rows = await tx
    .select({ id: securityGroup.id, name: securityGroup.name })
    .from(securityGroup)
    .where(
      and(
        eq(securityGroup.region, at.region),
        eq(securityGroup.projectId, projectId),
        or(inArray(securityGroup.name, wanted), ids.length > 0 ? inArray(securityGroup.id, ids) : undefined),
      ),
    )
  const resolved = wanted.map((each) => {
    const byId = rows.find(({ id }) => id === each.toLowerCase())
    if (byId) return byId.id
    const [one, another] = rows.filter(({ name }) => name === each)
    if (another)
      conflict(`Multiple security groups are named ${each}: use an id to be more specific.`, {
        code: 'NoUniqueMatch',
      })
    return one?.id ?? invalid(`Security group ${each} could not be found.`, { code: 'SecurityGroupNotFound' })
  })
  return [...new Set(resolved)]
}
