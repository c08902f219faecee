import { and, type Db, eq, inArray, type Tx } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import type { Asker } from '../at.ts'
import { gatewayOwner, interfaceOwner, type Port, port, router, type RouterRow, type Subnet, subnet } from '../model.ts'
import { findPorts } from '../ports/model.ts'

/** Throws notFound. */
export async function getRouter(db: Db, region: string, id: string, asker: Asker): Promise<RouterRow> {
  const [found] = await db
    .select()
    .from(router)
    .where(
      and(
        eq(router.region, region),
        eq(router.id, id),
        asker.isAdmin ? undefined : eq(router.projectId, asker.projectId),
      ),
    )
  return found ?? notFound('Router', id)
}

/** The row, held until the transaction ends: what changes a router does so one after the other. Throws notFound. */
export async function lockRouter(tx: Tx, region: string, id: string): Promise<RouterRow> {
  const [found] = await tx
    .select()
    .from(router)
    .where(and(eq(router.region, region), eq(router.id, id)))
    .for('no key update')
  return found ?? notFound('Router', id)
}

export interface RouterPorts {
  interfaces: Port[]
  gateway: Port | undefined
  /** The subnets of both, by id. */
  subnets: Map<string, Subnet>
}

/** What a router is connected to. */
export async function portsOfRouter(db: Db, id: string): Promise<RouterPorts> {
  const all = await findPorts(db, and(eq(port.deviceId, id), inArray(port.deviceOwner, [interfaceOwner, gatewayOwner])))
  const subnetIds = [...new Set(all.flatMap(({ fixedIps }) => fixedIps.map(({ subnetId }) => subnetId)))]
  const subnets = subnetIds.length === 0 ? [] : await db.select().from(subnet).where(inArray(subnet.id, subnetIds))
  return {
    interfaces: all.filter(({ deviceOwner }) => deviceOwner === interfaceOwner),
    gateway: all.find(({ deviceOwner }) => deviceOwner === gatewayOwner),
    subnets: new Map(subnets.map((each) => [each.id, each])),
  }
}
