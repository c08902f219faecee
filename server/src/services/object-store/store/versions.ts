// Older versions of an object, where its container keeps them.
import { randomInt } from 'node:crypto'
import { sql, type Tx } from '#lib/db.ts'
import { columns, type Extent } from '../model.ts'
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

/** Removes one older version for good. False when it is not there. */
export async function removeVersion(tx: Tx, containerId: number, name: string, version: number): Promise<boolean> {
  await lockName(tx, containerId, name)
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
