// Older versions of an object, where its container keeps them.
import { randomInt } from 'node:crypto'
import { type Db, first, sql, type Tx } from '#lib/db.ts'
import { columns, type Extent, type ObjectLock, objectVersion, type ObjectVersion, storedObject } from '../model.ts'
import { requireUnlocked } from '../object-lock.ts'
import { releaseBlobs } from './blobs.ts'
import { lockName } from './lock.ts'

/** What an object adds to its container's use: the bytes of a static large object count where its segments lie. */
export const billed = sql`case when kind = 'slo' then 0 else size end`

// The bytes of older versions count as used, the versions not as objects.
export async function keepVersion(tx: Tx, containerId: number, name: string): Promise<void> {
  await tx.rows(sql`
    with moved as (delete from object where container_id = ${containerId} and name = ${name} returning *),
    kept as (insert into object_version (${columns}) select ${columns} from moved)
    insert into object_usage (container_id, shard, objects, bytes)
    select ${containerId}, ${randomInt(16)}::smallint, -1, 0 from moved
    on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects`)
}

/** Removes one older version for good. False when it is not there. Throws forbidden for one that is locked. */
export async function removeVersion(
  tx: Tx,
  containerId: number,
  name: string,
  version: number,
  bypassGovernance = false,
): Promise<boolean> {
  await lockName(tx, containerId, name)
  const [found] = await tx.rows<{ lock: ObjectLock | null }>(sql`select lock from object_version
    where container_id = ${containerId} and name = ${name} and version = ${version} and lock is not null`)
  requireUnlocked(found?.lock, bypassGovernance)
  const [row] = await tx.rows<{ extents: Extent[] | null }>(sql`
    with gone as (delete from object_version
      where container_id = ${containerId} and name = ${name} and version = ${version} returning ${billed} as size, extents),
    used as (
      insert into object_usage (container_id, shard, objects, bytes)
      select ${containerId}, ${randomInt(16)}::smallint, 0, -size from gone
      on conflict (container_id, shard) do update set bytes = object_usage.bytes + excluded.bytes
    ) select extents from gone`)
  if (row?.extents) await releaseBlobs(tx, row.extents)
  return row !== undefined
}

/**
 * Where versions are kept no longer: what has a version of its own stays as an older one; the null version, of which there is
 * one of a name, gives its place to the next.
 */
export async function keepNumbered(tx: Tx, containerId: number, name: string): Promise<void> {
  const [now] = await tx.rows<{ unversioned: boolean }>(
    sql`select unversioned from object where container_id = ${containerId} and name = ${name}`,
  )
  if (now && !now.unversioned) await keepVersion(tx, containerId, name)
  const [older] = await tx.rows<{ version: string }>(
    sql`select version from object_version where container_id = ${containerId} and name = ${name} and unversioned`,
  )
  if (older) await removeVersion(tx, containerId, name, Number(older.version))
}

/** The newest older version is the object again, where there is none and that version is no mark of deletion. */
export async function restoreNewest(tx: Tx, containerId: number, name: string): Promise<void> {
  await tx.rows(sql`
    with newest as (
      select version, delete_marker from object_version where container_id = ${containerId} and name = ${name}
      order by version desc limit 1
    ), moved as (
      delete from object_version v using newest where v.container_id = ${containerId} and v.name = ${name}
        and v.version = newest.version and not newest.delete_marker
        and not exists (select from object o where o.container_id = ${containerId} and o.name = ${name})
      returning v.*
    ), back as (insert into object (${columns}) select ${columns} from moved)
    insert into object_usage (container_id, shard, objects, bytes)
    select ${containerId}, ${randomInt(16)}::smallint, 1, 0 from moved
    on conflict (container_id, shard) do update set objects = object_usage.objects + excluded.objects`)
}

/** A version by its number, or the null version; the object as it is now, or an older one. */
export async function findVersion(
  db: Db,
  containerId: number,
  name: string,
  version: number | 'null',
): Promise<ObjectVersion | undefined> {
  const which = version === 'null' ? sql`unversioned` : sql`version = ${version}`
  const at = sql`container_id = ${containerId} and name = ${name} and ${which}`
  const now = first(await db.select().from(storedObject).where(at).limit(1))
  if (now) return { ...now, deleteMarker: false }
  return first(await db.select().from(objectVersion).where(at).limit(1))
}
