// What the clouds tell: which ports are wired, and which hosts there are.
import { and, eq, sql, type Tx } from '#lib/db.ts'
import type { Subscriptions } from '#lib/event.ts'
import { networkHost } from '../model.ts'
import { leaveHost, placeWaitingRouters } from '../routers/place.ts'

/** These ports of the host are wired, its other machine ports are not. Writes only what differs. */
export async function portsSeen(tx: Tx, region: string, host: string, wired: readonly string[]): Promise<void> {
  const ids = `{${wired.join()}}`
  await tx.rows(sql`
    update port set wired = not wired, revision = revision + 1, updated_at = now()
    where region = ${region} and host = ${host} and device_owner like 'compute:%'
      and wired <> (id = any(${ids}::uuid[]))`)
}

/** The events of hosts that the network service follows. `host.seen` says where tunnels end and what the host reaches. */
export const hostSubscriptions: Subscriptions = {
  async 'host.seen'(tx, { resourceId: host, region, payload = {} }) {
    if (region === undefined) throw new Error('host.seen without a region')
    const physical = payload['physicalNetworks']
    const values = {
      tunnelAddress: String(payload['tunnelAddress'] ?? ''),
      physicalNetworks: Array.isArray(physical) ? physical.map(String) : [],
      alive: true,
      seenAt: new Date(),
    }
    await tx
      .insert(networkHost)
      .values({ region, host, ...values })
      .onConflictDoUpdate({ target: [networkHost.region, networkHost.host], set: values })
    await placeWaitingRouters(tx, region)
  },
  async 'host.back'(tx, { resourceId: host, region }) {
    if (region === undefined) throw new Error('host.back without a region')
    await tx
      .update(networkHost)
      .set({ alive: true, seenAt: new Date() })
      .where(and(eq(networkHost.region, region), eq(networkHost.host, host)))
    await placeWaitingRouters(tx, region)
  },
  async 'host.gone'(tx, { resourceId: host, region }) {
    if (region === undefined) throw new Error('host.gone without a region')
    await tx
      .update(networkHost)
      .set({ alive: false })
      .where(and(eq(networkHost.region, region), eq(networkHost.host, host)))
    await leaveHost(tx, region, host)
  },
}
