import { and, eq, sql, type Tx } from '#lib/db.ts'
import type { At } from '../at.ts'
import { tellAround } from '../hosts/changed.ts'
import { port, type PortRow } from '../model.ts'
import { removePorts } from '../ports/delete.ts'
import { ensureDhcpPorts } from '../ports/dhcp.ts'

const ofServer = (serverId: string) => and(eq(port.deviceId, serverId), port.attached)
const changed = { revision: sql`${port.revision} + 1`, updatedAt: sql`now()` }

/** The server's ports are on this host from now on; they are down until the host says that they are wired. */
export async function bindPorts(tx: Tx, at: At, serverId: string, host: string): Promise<void> {
  const before = await tx.select().from(port).where(ofServer(serverId)).for('update')
  const moved = before.filter((each) => each.host !== host)
  if (moved.length === 0) return
  await tx
    .update(port)
    .set({ host, wired: false, ...changed })
    .where(and(ofServer(serverId), sql`${port.host} <> ${host}`))
  await ensureDhcpPorts(tx, at, [...new Set(moved.map(({ networkId }) => networkId))])
  await tellAround(tx, at, [...moved, ...moved.map((each) => ({ ...each, host }))])
}

/** The server's ports are wired. */
export async function portsUp(tx: Tx, _at: At, serverId: string): Promise<void> {
  await tx
    .update(port)
    .set({ wired: true, ...changed })
    .where(and(ofServer(serverId), eq(port.wired, false), sql`${port.host} <> ''`))
}

/** The server is gone, or no longer on any host but keeps its ports. Repeating it is harmless. */
export async function unbindServerPorts(
  tx: Tx,
  at: At,
  serverId: string,
  { keep = false }: { keep?: boolean } = {},
): Promise<void> {
  const all = await tx.select().from(port).where(ofServer(serverId)).for('update')
  if (keep) return freePorts(tx, at, all, { host: '', wired: false })
  await removePorts(
    tx,
    at,
    all.filter((each) => each.madeForServer),
  )
  await letGo(
    tx,
    at,
    all.filter((each) => !each.madeForServer),
  )
}

/** Ports that existed before the server: they stay, without it. */
export async function letGo(tx: Tx, at: At, ports: readonly PortRow[]): Promise<void> {
  const free = {
    host: '',
    wired: false,
    deviceId: '',
    deviceOwner: '',
    attached: false,
    deviceTag: null,
    devicePlace: 0,
    dnsName: '',
  }
  await freePorts(tx, at, ports, free)
}

async function freePorts(tx: Tx, at: At, ports: readonly PortRow[], change: Partial<PortRow>): Promise<void> {
  for (const { id } of ports)
    await tx
      .update(port)
      .set({ ...change, ...changed })
      .where(eq(port.id, id))
  await tellAround(tx, at, ports)
}
