import { and, eq, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { hostsAround, tellHosts } from '../hosts/changed.ts'
import { dhcpOwner, gatewayOwner, interfaceOwner, ipAllocation, subnet } from '../model.ts'
import { isAuto } from '../ports/fixed-ips.ts'

/**
 * Addresses of DHCP, and those that machines made for themselves, go with it; throws conflict while there are others.
 */
export async function deleteSubnet(tx: Tx, at: At, id: string): Promise<void> {
  // whoever takes an address in it holds this row
  const [found] = await tx
    .select()
    .from(subnet)
    .where(and(eq(subnet.region, at.region), eq(subnet.id, id)))
    .for('update')
  if (!found) return notFound('Subnet', id)
  const [user] = await tx.rows<{ id: string }>(sql`
    select p.id from ip_allocation a join port p on p.id = a.port_id
    where a.subnet_id = ${id} and p.device_owner <> ${dhcpOwner}
      and (${!isAuto(found)} or p.device_owner in (${interfaceOwner}, ${gatewayOwner}))
    limit 1`)
  if (user)
    conflict(
      `Unable to complete operation on subnet ${id}: One or more ports have an IP allocation from this subnet.`,
      {
        code: 'SubnetInUse',
      },
    )
  await tx.delete(ipAllocation).where(eq(ipAllocation.subnetId, id))
  await tx.delete(subnet).where(eq(subnet.id, id))
  tellHosts(tx, at, await hostsAround(tx, at.region, [found.networkId]))
  await emit(tx, { type: 'subnet.deleted', resourceId: id, projectId: found.projectId, region: at.region })
}
