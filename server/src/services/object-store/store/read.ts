// Objects by name, and their bytes out.
import { type Db, first, sql } from '#lib/db.ts'
import { bug } from '#lib/fault.ts'
import { begun, inTurn, type Pieces } from '#lib/pieces.ts'
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
): Promise<Buffer | Pieces> {
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
  return inTurn(
    await openPiece(world, head, dataKey),
    rest.map((piece) => () => openPiece(world, piece, dataKey)),
  )
}

/** A part of a blob; the range is of the bytes as the client knows them. */
interface Piece {
  extent: Extent
  range: ByteRange
}

async function openPiece(world: World, { extent, range }: Piece, dataKey: Buffer | null): Promise<Pieces> {
  const { blob, size, sealed } = extent
  const backend = backendOf(world, extent.backend)
  if (!sealed) return backend.read(blob, range)
  const key = blobKey(dataKey ?? bug('there is no data key'), sealed)
  // bytes that are wrong from the beginning are told before a reply has begun
  return begun(openSegments(await backend.read(blob, sealedRange(size, range)), key, size, range))
}
