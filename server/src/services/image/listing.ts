// What compute's older image API lists, and what it may change.
import type { Actor } from '#lib/actor.ts'
import { and, type Db, desc, eq, gte, sql, type Tx } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { type Image, image, type ImageStatus, updateImage, visibleTo } from './images/model.ts'

export interface ImageFilter {
  name?: string | undefined
  statuses?: readonly ImageStatus[] | undefined
  minRamMb?: number | undefined
  minDiskGb?: number | undefined
  changedSince?: Date | undefined
  /** Properties that must have these values. */
  properties: Readonly<Record<string, string>>
}

/** What the actor sees, newest first, behind the marker. Throws invalid for a marker that is not there. */
export async function listImages(
  db: Db,
  region: string,
  actor: Actor,
  filter: ImageFilter,
  { limit, marker }: { limit: number; marker: string | undefined },
): Promise<Image[]> {
  const { name, statuses, minRamMb, minDiskGb, changedSince, properties } = filter
  if (statuses?.length === 0) return []
  const where = and(
    eq(image.region, region),
    visibleTo(actor, undefined, 'accepted'),
    name === undefined ? undefined : eq(image.name, name),
    statuses === undefined ? undefined : sql`${image.status} in ${[...statuses]}`,
    minRamMb === undefined ? undefined : gte(image.minRam, minRamMb),
    minDiskGb === undefined ? undefined : gte(image.minDisk, minDiskGb),
    changedSince === undefined ? undefined : gte(image.updatedAt, changedSince),
    ...Object.entries(properties).map(([key, value]) => sql`${image.properties}->>${key} = ${value}`),
  )
  let after
  if (marker !== undefined) {
    const [from] = await db
      .select({ id: image.id })
      .from(image)
      .where(and(eq(image.region, region), eq(image.id, marker)))
    if (!from) return invalid(`marker [${marker}] not found`)
    after = sql`(${image.createdAt}, ${image.id}) < (select created_at, id from image where id = ${marker})`
  }
  return db.select().from(image).where(and(where, after)).orderBy(desc(image.createdAt), desc(image.id)).limit(limit)
}

/** Changes the properties as they are at that moment. Returns what they are then. */
export async function changeProperties(
  tx: Tx,
  id: string,
  change: (before: Readonly<Record<string, string>>) => Record<string, string>,
): Promise<Record<string, string>> {
  const [found] = await tx.select().from(image).where(eq(image.id, id)).for('update')
  const { properties } = await updateImage(tx, id, { properties: change(found?.properties ?? {}) })
  return properties
}
