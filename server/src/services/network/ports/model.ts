import { and, asc, type Db, eq, inArray, type SQL } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { type FixedIp, ipAllocation, type Port, port, type PortRow } from '../model.ts'

/** Their addresses, in one query. */
export async function withFixedIps(db: Db, rows: readonly PortRow[]): Promise<Port[]> {
  if (rows.length === 0) return []
  const found = await db
    .select({ portId: ipAllocation.portId, subnetId: ipAllocation.subnetId, address: ipAllocation.address })
    .from(ipAllocation)
    .where(
      inArray(
        ipAllocation.portId,
        rows.map(({ id }) => id),
      ),
    )
    .orderBy(asc(ipAllocation.portId), asc(ipAllocation.n), asc(ipAllocation.address))
  const byPort = new Map<string, FixedIp[]>()
  for (const { portId, subnetId, address } of found) {
    const mine = byPort.get(portId)
    if (mine) mine.push({ subnetId, address })
    else byPort.set(portId, [{ subnetId, address }])
  }
  return rows.map((row) => Object.assign(row, { fixedIps: byPort.get(row.id) ?? [] }))
}

export async function findPorts(db: Db, where: SQL | undefined): Promise<Port[]> {
  return withFixedIps(db, await db.select().from(port).where(where).orderBy(asc(port.id)))
}

export async function findPort(db: Db, region: string, id: string): Promise<Port | undefined> {
  const [found] = await findPorts(db, and(eq(port.region, region), eq(port.id, id)))
  return found
}

/** Throws notFound. */
export async function getPort(db: Db, region: string, id: string): Promise<Port> {
  return (await findPort(db, region, id)) ?? notFound('Port', id)
}
