import { and, eq, sql, type Tx } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { port } from '../model.ts'
import { removePorts } from '../ports/delete.ts'
import { allocateServerPorts, type NicWish, type ServerPortsWish } from './allocate.ts'
import { bindPorts, letGo } from './bind.ts'
import { portsOfServer, type ServerPort } from './list.ts'

/**
 * One more NIC for a server that exists; bound when the server has a host. `nic` 'auto' is the project's one network.
 * Throws as allocateServerPorts does.
 */
export async function attachPort(
  tx: Tx,
  at: At,
  wish: Omit<ServerPortsWish, 'requested'> & { nic: NicWish | 'auto'; host: string },
): Promise<ServerPort | undefined> {
  const before = await portsOfServer(tx, wish.serverId)
  await allocateServerPorts(tx, at, { ...wish, requested: wish.nic === 'auto' ? 'auto' : [wish.nic] })
  if (wish.host !== '') await bindPorts(tx, at, wish.serverId, wish.host)
  const after = await portsOfServer(tx, wish.serverId)
  const added = after.find(({ id }) => !before.some((each) => each.id === id))
  if (added)
    await tx
      .update(port)
      .set({
        devicePlace: sql`1 + (select coalesce(max(p.device_place), 0) from port p
        where p.device_id = ${wish.serverId} and p.id <> ${added.id})`,
      })
      .where(eq(port.id, added.id))
  return added
}

/** Takes a NIC away: a port made for the server is deleted, another one is let go. Throws notFound. */
export async function detachPort(tx: Tx, at: At, serverId: string, portId: string): Promise<void> {
  const [found] = await tx
    .select()
    .from(port)
    .where(and(eq(port.region, at.region), eq(port.id, portId), eq(port.deviceId, serverId)))
    .for('update')
  if (!found) return notFound('Port', portId)
  // it leaves its server first: who hears of its end need not take it out of the guest
  if (found.madeForServer) await removePorts(tx, at, [{ ...found, attached: false }])
  else await letGo(tx, at, [found])
}
