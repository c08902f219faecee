import { type Db, eq, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { bug, conflict, forbidden, invalid, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { endpoint, type Region, region } from '../model.ts'

export async function findRegion(db: Db, id: string): Promise<Region | undefined> {
  const [row] = await db.select().from(region).where(eq(region.id, id))
  return row
}
export function listRegions(db: Db, parentId: string | undefined): Promise<Region[]> {
  return db
    .select()
    .from(region)
    .where(parentId === undefined ? undefined : eq(region.parentRegionId, parentId))
    .orderBy(region.createdAt, region.id)
}

type NewRegion = Pick<Region, 'description' | 'parentRegionId' | 'extra'>

/** Throws conflict when the id is in use, notFound for a parent that is not there. */
export async function insertRegion(tx: Tx, spec: NewRegion, id = newHexId()): Promise<Region> {
  await requireParent(tx, spec.parentRegionId)
  try {
    const [row] = await tx.transaction((inner) =>
      inner
        .insert(region)
        .values({ ...spec, id })
        .returning(),
    )
    return row ?? bug('insert returned nothing')
  } catch (error) {
    if (isDuplicate(error)) conflict(`There is already a region ${id}.`, { cause: error })
    throw error
  }
}

export async function updateRegion(tx: Tx, id: string, change: Partial<NewRegion>): Promise<Region> {
  if (change.parentRegionId !== undefined) await requireParent(tx, change.parentRegionId, id)
  const [row] = await tx
    .update(region)
    .set({ id, ...change })
    .where(eq(region.id, id))
    .returning()
  return row ?? notFound('Region', id)
}

async function requireParent(tx: Tx, parentId: string | null, own?: string): Promise<void> {
  if (parentId === null) return
  const up = await tx.rows<{ id: string }>(sql`
    with recursive up (id) as (
      select id from region where id = ${parentId}
      union select r.parent_region_id from up join region r on r.id = up.id where r.parent_region_id is not null
    ) select id from up`)
  if (up.length === 0) notFound('Region', parentId)
  if (up.some(({ id }) => id === own)) invalid(`Region ${parentId} is below region ${own}: it cannot be its parent.`)
}

/** With the regions below it. Throws forbidden while one of them has endpoints. */
export async function removeRegion(tx: Tx, id: string): Promise<void> {
  const [used] = await tx.select({ id: endpoint.id }).from(endpoint).where(eq(endpoint.regionId, id)).limit(1)
  if (used) forbidden(`Unable to delete region ${id}: it, or a region below it, has endpoints.`)
  for (const below of await listRegions(tx, id)) await removeRegion(tx, below.id)
  await tx.delete(region).where(eq(region.id, id))
}
