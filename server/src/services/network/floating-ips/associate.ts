import { eq, inArray, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { conflict, Fault, invalid, notFound } from '#lib/fault.ts'
import type { Asker, At } from '../at.ts'
import { tellHosts } from '../hosts/changed.ts'
import { floatingIp, type FloatingIp, type Port, router } from '../model.ts'
import { findPort } from '../ports/model.ts'

/** Leads the floating IP to a port, or (null) nowhere. The caller holds its row. Throws invalid, conflict, notFound. */
export async function associate(
  tx: Tx,
  at: At,
  found: FloatingIp,
  wish: { portId: string; fixedAddress: string | undefined } | null,
  asker: Asker,
): Promise<FloatingIp> {
  const change = wish === null ? nowhere : await leading(tx, at, found, wish, asker)
  const [after] = await tx
    .update(floatingIp)
    .set(change)
    .where(eq(floatingIp.id, found.id))
    .returning()
    .catch((error: unknown) => {
      if (isDuplicate(error, 'floating_ip_fixed'))
        conflict(
          `Cannot associate floating IP ${found.address} (${found.id}) with port ${wish?.portId} using fixed IP ${change.fixedAddress}, as that fixed IP already has a floating IP.`,
          { code: 'FloatingIPPortAlreadyAssociated' },
        )
      throw error
    })
  const routerIds = [...new Set([found.routerId, after!.routerId])].flatMap((id) => id ?? [])
  if (routerIds.length > 0) {
    const hosts = await tx.select({ host: router.host }).from(router).where(inArray(router.id, routerIds))
    tellHosts(
      tx,
      at,
      hosts.map(({ host }) => host),
    )
  }
  return after!
}

const nowhere = { portId: null, fixedAddress: null, routerId: null, status: 'DOWN' as const }

async function leading(
  tx: Tx,
  at: At,
  found: FloatingIp,
  { portId, fixedAddress }: { portId: string; fixedAddress: string | undefined },
  asker: Asker,
) {
  const port = await findPort(tx, at.region, portId)
  if (!port || (!asker.isAdmin && port.projectId !== asker.projectId)) return notFound('Port', portId)
  if (!asker.isAdmin && port.projectId !== found.projectId)
    invalid(
      `Bad floatingip request: Port ${portId} is associated with a different project than Floating IP ${found.id}.`,
      {
        code: 'BadRequest',
      },
    )
  const target = chooseFixed(port, fixedAddress)
  const [by] = await tx.rows<{ id: string; host: string }>(sql`
    select r.id, r.host from port p
      join ip_allocation a on a.port_id = p.id
      join subnet s on s.id = a.subnet_id
      join router r on r.id::text = p.device_id
    where p.network_id = ${port.networkId} and p.device_owner = 'network:router_interface'
      and a.subnet_id = ${target.subnetId} and r.gateway_network_id = ${found.networkId}
    order by (s.gateway = a.address) desc nulls last, r.id limit 1`)
  if (!by)
    throw new Fault(
      'notFound',
      `External network ${found.networkId} is not reachable from subnet ${target.subnetId}. Therefore, cannot associate Port ${portId} with a Floating IP.`,
      { code: 'ExternalGatewayForFloatingIPNotFound' },
    )
  const status = by.host === '' ? ('DOWN' as const) : ('ACTIVE' as const)
  return { portId, fixedAddress: target.address, routerId: by.id, status }
}

function chooseFixed(port: Port, wanted: string | undefined) {
  const bad = (message: string): never => invalid(`Bad floatingip request: ${message}`, { code: 'BadRequest' })
  if (wanted !== undefined)
    return (
      port.fixedIps.find(({ address }) => address === wanted && !address.includes(':')) ??
      bad(`Port ${port.id} does not have fixed ip ${wanted}.`)
    )
  const candidates = port.fixedIps.filter(({ address }) => !address.includes(':'))
  if (candidates.length > 1)
    bad(
      `Port ${port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP.`,
    )
  return candidates[0] ?? bad(`Cannot add floating IP to port ${port.id} that has no fixed IPv4 addresses.`)
}
