// Objects by name, and their bytes out.
import { Readable } from 'node:stream'
import { type Db, first, sql } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import { backendOf } from '../backends.ts'
import { type Extent, storedObject, type StoredObject } from '../model.ts'

const live = sql`(delete_at is null or delete_at > now())`

/** The object as it is now; undefined too when its time is over. */
export async function findObject(db: Db, containerId: number, name: string): Promise<StoredObject | undefined> {
  return first(
    await db
      .select()
      .from(storedObject)
      .where(sql`${storedObject.containerId} = ${containerId} and ${storedObject.name} = ${name} and ${live}`)
      .limit(1),
  )
}

/** Bytes `start` to `end`, both inclusive. Throws BlobMissing when the row that was read is older than its bytes' removal. */
export async function readBytes(
  world: World,
  from: Pick<StoredObject, 'data' | 'extents' | 'size'>,
  start: number,
  end: number,
): Promise<Buffer | Readable> {
  if (from.size === 0 || end < start) return Buffer.alloc(0)
  if (from.data) return from.data.subarray(start, end + 1)
  const wanted: { extent: Extent; start: number; end: number }[] = []
  let at = 0
  for (const extent of from.extents ?? []) {
    const [low, high] = [Math.max(start - at, 0), Math.min(end - at, extent.size - 1)]
    if (low <= high) wanted.push({ extent, start: low, end: high })
    at += extent.size
  }
  const open = ({ extent, ...range }: (typeof wanted)[number]) =>
    backendOf(world.config, extent.backend).read(extent.blob, range)
  const opened = await open(wanted[0]!)
  if (wanted.length === 1) return opened
  async function* all(): AsyncIterable<Buffer> {
    yield* opened as AsyncIterable<Buffer>
    for (const next of wanted.slice(1)) yield* (await open(next)) as AsyncIterable<Buffer>
  }
  return Readable.from(all(), { objectMode: false })
}
