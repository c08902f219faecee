// Objects by name, and their bytes out.
import { Readable } from 'node:stream'
import { type Db, first, sql } from '#lib/db.ts'
import { bug } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { backendOf } from '../backends.ts'
import { type ByteRange, openSegments, openSingle, sealedRange } from '../encryption/format.ts'
import { blobKey, openDataKey } from '../encryption/sealing.ts'
import { type Extent, storedObject, type StoredObject } from '../model.ts'

/** Its time is not over. */
export const live = sql`(delete_at is null or delete_at > now())`

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

/**
 * Bytes `start` to `end`, both inclusive; decrypted. Throws BlobMissing when the row that was read is older than its bytes'
 * removal; a Fault when the key that they are encrypted with cannot be used (`customerKey`: of an object that has one);
 * Tampered when they are not what was written.
 */
export async function readBytes(
  world: World,
  from: Pick<StoredObject, 'data' | 'extents' | 'size' | 'sealed'>,
  start: number,
  end: number,
  customerKey?: Buffer,
): Promise<Buffer | Readable> {
  const dataKey = from.sealed && (await openDataKey(world, from.sealed, customerKey))
  if (from.size === 0 || end < start) return Buffer.alloc(0)
  if (from.data) {
    const { salt = '' } = from.sealed ?? {}
    return (dataKey ? openSingle(from.data, blobKey(dataKey, { salt })) : from.data).subarray(start, end + 1)
  }
  const wanted: Piece[] = []
  let at = 0
  for (const extent of from.extents ?? []) {
    const [low, high] = [Math.max(start - at, 0), Math.min(end - at, extent.size - 1)]
    if (low <= high) wanted.push({ extent, range: { start: low, end: high } })
    at += extent.size
  }
  const [head, ...rest] = wanted
  if (!head) return bug('an object is longer than its extents')
  const opened = await openPiece(world, head)
  if (rest.length === 0 && !dataKey) return opened
  const plain = plainOf(head, opened, dataKey)
  // bytes that are wrong from the beginning are told before a reply has begun
  const first = await plain.next()
  async function* all(): AsyncIterable<Buffer> {
    if (!first.done) yield first.value
    yield* plain
    for (const piece of rest) yield* plainOf(piece, await openPiece(world, piece), dataKey)
  }
  const bytes = Readable.from(all(), { objectMode: false })
  // a generator that was never entered does not close what it would have read
  bytes.once('close', () => opened.destroy())
  return bytes
}

/** A part of a blob; the range is of the bytes as the client knows them. */
interface Piece {
  extent: Extent
  range: ByteRange
}

function openPiece(world: World, { extent, range }: Piece): Promise<Readable> {
  const stored = extent.sealed ? sealedRange(extent.size, range) : range
  return backendOf(world, extent.backend).read(extent.blob, stored)
}

async function* plainOf({ extent, range }: Piece, stored: Readable, dataKey: Buffer | null): AsyncGenerator<Buffer> {
  const bytes = stored as AsyncIterable<Buffer>
  if (extent.sealed)
    yield* openSegments(bytes, blobKey(dataKey ?? bug('there is no data key'), extent.sealed), extent.size, range)
  else yield* bytes
}
