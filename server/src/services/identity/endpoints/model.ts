import { and, type Db, eq, sql, type Tx } from '#lib/db.ts'
import { bug, invalid, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { type Endpoint, endpoint } from '../model.ts'
import { findRegion } from '../regions/model.ts'
import { findService } from '../services/model.ts'

export async function findEndpoint(db: Db, id: string): Promise<Endpoint | undefined> {
  const [row] = await db.select().from(endpoint).where(eq(endpoint.id, id))
  return row
}
export interface EndpointQuery {
  serviceId?: string | undefined
  regionId?: string | undefined
  interface?: string | undefined
  name?: string | undefined
}
export function listEndpoints(db: Db, query: EndpointQuery): Promise<Endpoint[]> {
  return db
    .select()
    .from(endpoint)
    .where(
      and(
        query.serviceId === undefined ? undefined : eq(endpoint.serviceId, query.serviceId),
        query.regionId === undefined ? undefined : eq(endpoint.regionId, query.regionId),
        query.name === undefined ? undefined : eq(endpoint.name, query.name),
        query.interface === undefined ? undefined : sql`${endpoint.interface} = ${query.interface}`,
      ),
    )
    .orderBy(endpoint.createdAt, endpoint.id)
}

export type NewEndpoint = Pick<Endpoint, 'serviceId' | 'regionId' | 'interface' | 'url' | 'enabled' | 'name' | 'extra'>

/** Throws invalid for a service or region that is not there. */
export async function insertEndpoint(tx: Tx, spec: NewEndpoint): Promise<Endpoint> {
  await requireKnown(tx, spec)
  const [row] = await tx
    .insert(endpoint)
    .values({ ...spec, id: newHexId() })
    .returning()
  return row ?? bug('insert returned nothing')
}
/** Throws invalid for a service or region that is not there. */
export async function updateEndpoint(tx: Tx, id: string, change: Partial<NewEndpoint>): Promise<Endpoint> {
  await requireKnown(tx, change)
  const [row] = await tx
    .update(endpoint)
    .set({ id, ...change })
    .where(eq(endpoint.id, id))
    .returning()
  return row ?? notFound('Endpoint', id)
}
async function requireKnown(tx: Tx, { serviceId, regionId }: Partial<NewEndpoint>): Promise<void> {
  if (serviceId !== undefined && !(await findService(tx, serviceId))) invalid(`Could not find service: ${serviceId}.`)
  if (regionId && !(await findRegion(tx, regionId))) invalid(`Could not find region: ${regionId}.`)
}
export async function removeEndpoint(tx: Tx, id: string): Promise<void> {
  await tx.delete(endpoint).where(eq(endpoint.id, id))
}
