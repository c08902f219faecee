import { inArray, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import type { At } from '../at.ts'
import { tellAround, tellHosts } from '../hosts/changed.ts'
import { port, type PortRow } from '../model.ts'

/** Removes ports and their addresses; floating IPs that led to them stay, without a target. */
export async function removePorts(tx: Tx, at: At, ports: readonly PortRow[]): Promise<void> {
  if (ports.length === 0) return
  const ids = ports.map(({ id }) => id)
  await freeFloatingIps(tx, at, ids)
  await tx.delete(port).where(inArray(port.id, ids))
  await tellAround(tx, at, ports)
  for (const each of ports) {
    await emit(tx, {
      type: 'port.deleted',
      resourceId: each.id,
      projectId: each.projectId,
      region: at.region,
      payload: {
        serverId: each.attached ? each.deviceId : null,
        deviceOwner: each.deviceOwner,
        networkId: each.networkId,
      },
    })
  }
}

/** Floating IPs that lead to these ports lead nowhere from now on. */
export async function freeFloatingIps(tx: Tx, at: At, portIds: readonly string[]): Promise<void> {
  const freed = await tx.rows<{ host: string | null }>(sql`
    update floating_ip f set port_id = null, fixed_address = null, router_id = null, status = 'DOWN',
      revision = f.revision + 1, updated_at = now()
    from floating_ip o left join router r on r.id = o.router_id
    where f.id = o.id and o.port_id in ${[...portIds]}
    returning r.host`)
  tellHosts(
    tx,
    at,
    freed.map(({ host }) => host ?? ''),
  )
}
