import { and, type Db, eq, type Tx } from '#lib/db.ts'
import { bug, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { matching, type TextFilter } from '../matching.ts'
import { service, type ServiceRow } from '../model.ts'

export async function findService(db: Db, id: string): Promise<ServiceRow | undefined> {
  const [row] = await db.select().from(service).where(eq(service.id, id))
  return row
}
export function listServices(db: Db, filters: TextFilter<'name' | 'type'>[]): Promise<ServiceRow[]> {
  return db
    .select()
    .from(service)
    .where(and(matching({ name: service.name, type: service.type }, filters)))
    .orderBy(service.createdAt, service.id)
}
type NewService = Pick<ServiceRow, 'type' | 'name' | 'description' | 'enabled' | 'extra'>
export async function insertService(tx: Tx, spec: NewService): Promise<ServiceRow> {
  const [row] = await tx
    .insert(service)
    .values({ ...spec, id: newHexId() })
    .returning()
  return row ?? bug('insert returned nothing')
}
export async function updateService(tx: Tx, id: string, change: Partial<NewService>): Promise<ServiceRow> {
  const [row] = await tx
    .update(service)
    .set({ id, ...change })
    .where(eq(service.id, id))
    .returning()
  return row ?? notFound('Service', id)
}
/** With its endpoints. */
export async function removeService(tx: Tx, id: string): Promise<void> {
  await tx.delete(service).where(eq(service.id, id))
}
