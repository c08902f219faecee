import { and, eq, inArray, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { dhcpOwner, floatingOwner, network, port, subnet } from '../model.ts'
import { removeGrants } from '../rbac/model.ts'

/** With its subnets and its DHCP port. Throws conflict while other ports are on it. */
export async function deleteNetwork(tx: Tx, at: At, id: string): Promise<void> {
  // whoever makes a port or a subnet on it holds this row; the lock waits for them, and they for us
  const [found] = await tx
    .select()
    .from(network)
    .where(and(eq(network.region, at.region), eq(network.id, id)))
    .for('update')
  if (!found) return notFound('Network', id)
  if (found.external) await dropFreeFloatingIps(tx, id)
  const [user] = await tx
    .select({ id: port.id })
    .from(port)
    .where(and(eq(port.networkId, id), sql`${port.deviceOwner} <> ${dhcpOwner}`))
    .limit(1)
  if (user)
    conflict(
      `Unable to complete operation on network ${id}. There are one or more ports still in use on the network.`,
      {
        code: 'NetworkInUse',
      },
    )
  await tx.delete(port).where(eq(port.networkId, id))
  await tx.delete(subnet).where(inArray(subnet.networkId, [id]))
  await removeGrants(tx, id)
  await tx.delete(network).where(eq(network.id, id))
  await emit(tx, { type: 'network.deleted', resourceId: id, projectId: found.projectId, region: at.region })
}

/** Floating IPs that lead nowhere do not hold their network. */
async function dropFreeFloatingIps(tx: Tx, networkId: string): Promise<void> {
  await tx.rows(sql`
    delete from floating_ip where network_id = ${networkId} and port_id is null`)
  await tx.rows(sql`
    delete from port p where p.network_id = ${networkId} and p.device_owner = ${floatingOwner}
      and not exists (select 1 from floating_ip f where f.floating_port_id = p.id)`)
}
