import { and, eq, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, invalid, notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { tellAround, tellHosts } from '../hosts/changed.ts'
import { floatingOwner, gatewayOwner, ipAllocation, type Port, port, type PortRow } from '../model.ts'
import { subnetsOf } from '../networks/model.ts'
import { carried, ensureDhcpPorts } from './dhcp.ts'
import { type FixedIpWish, takeWanted, wantedIps } from './fixed-ips.ts'
import { withFixedIps } from './model.ts'
import { requireNoSecurity } from './rules.ts'

export type PortChange = Partial<
  Pick<
    PortRow,
    | 'name'
    | 'description'
    | 'adminUp'
    | 'mac'
    | 'deviceId'
    | 'deviceOwner'
    | 'securityGroupIds'
    | 'portSecurity'
    | 'allowedPairs'
    | 'dhcpOptions'
    | 'dnsName'
    | 'dnsDomain'
    | 'vnicType'
    | 'profile'
    | 'host'
  >
> & { fixedIps?: readonly FixedIpWish[] | undefined }

/** Throws invalid, and conflict for addresses in use and for what a bound port may not change. */
export async function updatePort(tx: Tx, at: At, id: string, { fixedIps, ...change }: PortChange): Promise<Port> {
  const [row] = await tx
    .select()
    .from(port)
    .where(and(eq(port.region, at.region), eq(port.id, id)))
    .for('update')
  if (!row) return notFound('Port', id)
  const [before] = await withFixedIps(tx, [{ ...row }])
  if (change.mac !== undefined && change.mac !== row.mac && row.host !== '')
    conflict(`Unable to complete operation on port ${id}, port is already bound, and its MAC address cannot change.`, {
      code: 'PortBound',
    })
  const portSecurity = change.portSecurity ?? row.portSecurity
  requireNoSecurity(
    portSecurity,
    change.securityGroupIds ?? row.securityGroupIds,
    change.allowedPairs ?? row.allowedPairs,
  )
  const leaves =
    row.attached &&
    ((change.deviceId ?? row.deviceId) !== row.deviceId || (change.deviceOwner ?? row.deviceOwner) !== row.deviceOwner)
  const [after] = await tx
    .update(port)
    .set({
      ...change,
      ...(leaves && { attached: false }),
      ...(change.host !== undefined && change.host !== row.host && { wired: false }),
      revision: sql`${port.revision} + 1`,
      updatedAt: sql`now()`,
    })
    .where(eq(port.id, id))
    .returning()
    .catch((error: unknown) => {
      if (isDuplicate(error, 'port_mac'))
        conflict(`The mac address ${change.mac} is in use on network ${row.networkId}.`, { code: 'MacAddressInUse' })
      throw error
    })
  if (fixedIps !== undefined) await changeFixedIps(tx, at, before!, after!, fixedIps)
  const [shown] = await withFixedIps(tx, [after!])
  if (after!.host !== '' && after!.host !== row.host) await ensureDhcpPorts(tx, at, await carried(tx, [row.networkId]))
  await tellAround(tx, at, [row, after!])
  const about = { resourceId: id, projectId: row.projectId, region: at.region }
  await emit(tx, { type: 'port.updated', ...about })
  if (leaves) await emit(tx, { type: 'port.left', ...about, payload: { serverId: row.deviceId } })
  return shown!
}

async function changeFixedIps(
  tx: Tx,
  at: At,
  before: Port,
  after: PortRow,
  wishes: readonly FixedIpWish[],
): Promise<void> {
  if (before.deviceOwner === floatingOwner || before.deviceOwner === gatewayOwner)
    invalid(`The addresses of port ${before.id} belong to its ${before.deviceOwner}: change them there.`, {
      code: 'PortIpChangeNotAllowed',
    })
  const subnets = await subnetsOf(tx, [before.networkId])
  // an address asked for by its value, or by its subnet, stays when the port has it
  const kept = new Set<string>()
  const fresh: FixedIpWish[] = []
  for (const wish of wishes) {
    const same = before.fixedIps.find(
      ({ subnetId, address }) =>
        !kept.has(address) &&
        (wish.address === undefined ? wish.subnetId === subnetId : wish.address === address) &&
        (wish.subnetId === undefined || wish.subnetId === subnetId),
    )
    if (same) kept.add(same.address)
    else fresh.push(wish)
  }
  const keptIps = before.fixedIps.filter(({ address }) => kept.has(address))
  const gone = before.fixedIps.filter(({ address }) => !kept.has(address))
  const wanted = wantedIps(after, { id: before.networkId }, subnets, fresh, keptIps)
  for (const { subnetId, address } of gone) {
    await tx
      .delete(ipAllocation)
      .where(
        and(eq(ipAllocation.subnetId, subnetId), eq(ipAllocation.address, address), eq(ipAllocation.portId, before.id)),
      )
    const freed = await tx.rows<{ host: string | null }>(sql`
      update floating_ip f set port_id = null, fixed_address = null, router_id = null, status = 'DOWN',
        revision = f.revision + 1, updated_at = now()
      from floating_ip o left join router r on r.id = o.router_id
      where f.id = o.id and o.port_id = ${before.id} and o.fixed_address = ${address}::inet
      returning r.host`)
    tellHosts(
      tx,
      at,
      freed.map(({ host }) => host ?? ''),
    )
  }
  await takeWanted(tx, after, before.networkId, wanted, before.fixedIps.length)
}
