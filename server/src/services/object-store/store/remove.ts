// An object goes, or becomes an older version under a mark of deletion.
import { randomInt } from 'node:crypto'
import { sql, type Tx } from '#lib/db.ts'
import type { Container, Extent, StoredObject } from '../model.ts'
import { tell, type Telling } from '../notification/tell.ts'
import { requireUnlocked } from '../object-lock.ts'
import { releaseBlobs } from './blobs.ts'
import { emptyBytes } from './bytes.ts'
import { lockName } from './lock.ts'
import type { Before } from './put.ts'
import { findObject } from './read.ts'
import { billed, keepNumbered, keepVersion } from './versions.ts'

export interface Removal {
  /** By whom: of those who are told, some want to know. */
  by?: 'ObjectRemoved' | 'LifecycleExpiration'
  /** Who removes it may pass over a governance lock. */
  bypassGovernance?: boolean
}

/**
 * Removes the object and returns it; undefined when it is not there (a mark is made all the same, where versions are kept).
 * Throws forbidden for one that is locked and would be gone.
 */
export async function removeObject(
  tx: Tx,
  container: Pick<Container, 'id' | 'versions'> & Telling,
  name: string,
  before?: Before,
  { by = 'ObjectRemoved', bypassGovernance = false }: Removal = {},
): Promise<StoredObject | undefined> {
  await lockName(tx, container.id, name)
  const found = await findObject(tx, container.id, name)
  before?.(found)
  if (container.versions === 'enabled' || container.versions === 'suspended') {
    if (container.versions === 'enabled') await keepVersion(tx, container.id, name)
    else await keepNumbered(tx, container.id, name)
    if (container.versions === 'suspended') await removeNow(tx, container.id, name)
    const [marker] = await tx.rows<{ version: string }>(sql`
      insert into object_version (container_id, name, version, size, etag, content_type, modified_at, delete_marker, unversioned)
      select ${container.id}, ${name}, v, 0, ${emptyBytes.etag}, 'application/x-deleted;swift_versions_deleted=1',
        to_timestamp(v / 1000000.0), true, ${container.versions === 'suspended'}::boolean
      from (select greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, max(version) + 1) as v
        from object_version where container_id = ${container.id} and name = ${name}) last returning version`)
    await tell(tx, container, { event: `${by}:DeleteMarkerCreated`, key: name, version: Number(marker!.version) })
    return found
  }
  requireUnlocked(found?.lock, bypassGovernance)
  await removeNow(tx, container.id, name)
  if (found) await tell(tx, container, { event: `${by}:Delete`, key: name, version: found.version })
  return found
}

async function removeNow(tx: Tx, containerId: number, name: string): Promise<void> {
  const [row] = await tx.rows<{ size: string; extents: Extent[] | null }>(sql`
    with gone as (delete from object where container_id = ${containerId} and name = ${name} returning ${billed} as size, extents),
    used as (
      insert into object_usage (container_id, shard, objects, bytes)
      select ${containerId}, ${randomInt(16)}::smallint, -1, -size from gone
      on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects,
        bytes = object_usage.bytes + excluded.bytes
    ) select size, extents from gone`)
  if (row?.extents) await releaseBlobs(tx, row.extents)
}
