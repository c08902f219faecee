// How encrypted bytes lie at a backend or in a row: AES-256-GCM in segments.
//
//   sealed bytes = segment 0, segment 1, …, the last segment; nothing before, between or behind them
//   segment      = ciphertext (of 65,536 bytes of the plaintext; of the last one of 0 to 65,536), tag (16 bytes)
//   segment key  = HKDF-SHA-256(key: the data key, 32 bytes; salt: 16 random bytes; info: 'pileus object segments 1')
//   nonce        = 7 bytes of 0, number of the segment (4 bytes, big endian), 1 for the last segment and else 0 (1 byte)
//
// Why it is so (docs/decisions/0015-object-encryption.md has more):
// - Segments can be opened alone, so a range reads and opens only those that it touches. No plaintext is handed out before
//   the tag of its segment was right.
// - A tag is right only under the nonce it was made with: a segment that was moved, repeated or left out has another number,
//   and one that became the last by truncation another flag. This is the STREAM construction of Hoang, Reyhanitabar,
//   Rogaway and Vizár (Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, CRYPTO 2015), there proven;
//   number and flag in the nonce are authenticated as they would be as associated data, and no two segments share a nonce.
// - Each blob has a salt of its own, and so a key of its own, even where several share a data key (the parts of a multipart
//   upload): segments cannot be moved between blobs, nor blobs between objects. Salt and data key stand in the database,
//   not beside the bytes; so does the size, and who has it knows where the last segment must be.
// - A key seals once: the salt is drawn when the sealing begins. So nonces may be counted and never collide.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { bug } from '#lib/fault.ts'
import { borrow, free, giveBack } from '#lib/slab.ts'

const segmentBytes = 64 * 1024
const tagBytes = 16
const sealedSegmentBytes = segmentBytes + tagBytes
const info = 'pileus object segments 1'

/** What reading and sealing one blob needs. */
export type SegmentKey = Buffer
export interface ByteRange {
  start: number // both inclusive
  end: number
}

/** These are not the bytes that were sealed under this key. */
export class Tampered extends Error {
  constructor(what: string, cause?: unknown) {
    super(`encrypted bytes are not what was written: ${what}`, { cause })
    this.name = 'Tampered'
  }
}

export function newSalt(): Buffer {
  return randomBytes(16)
}

export function segmentKey(dataKey: Buffer, salt: Buffer): SegmentKey {
  return Buffer.from(hkdfSync('sha256', dataKey, salt, info, 32))
}

/** Bytes that `size` bytes have when they are sealed; there is always one segment. */
export function sealedSize(size: number): number {
  return size + tagBytes * segmentsOf(size)
}

function segmentsOf(size: number): number {
  return Math.max(1, Math.ceil(size / segmentBytes))
}

function nonceOf(segment: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(segment, 7)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

function sealSegment(key: SegmentKey, plain: Buffer, segment: number, isLast: boolean): [Buffer, Buffer] {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(segment, isLast))
  const ciphertext = cipher.update(plain)
  cipher.final()
  return [ciphertext, cipher.getAuthTag()]
}

/** Seals bytes as they pass; holds one segment, for whether it is the last is known when the next byte comes or none. */
export async function* sealSegments(plain: AsyncIterable<Buffer>, key: SegmentKey): AsyncGenerator<Buffer, undefined> {
  const [slab, held] = [borrow(), Buffer.allocUnsafeSlow(segmentBytes)]
  let [size, heldBytes, segment] = [0, 0, 0]
  const seal = (bytes: Buffer, isLast: boolean) => {
    for (const sealed of sealSegment(key, bytes, segment++, isLast)) {
      slab.set(sealed, size)
      size += sealed.length
      free(sealed)
    }
  }
  try {
    for await (let piece of plain) {
      while (piece.length > 0) {
        if (size + sealedSegmentBytes > slab.length) {
          yield slab.subarray(0, size)
          size = 0
        }
        if (heldBytes === segmentBytes) {
          seal(held, false)
          heldBytes = 0
        } else if (heldBytes === 0 && piece.length > segmentBytes) {
          seal(piece.subarray(0, segmentBytes), false)
          piece = piece.subarray(segmentBytes)
        } else {
          const part = piece.subarray(0, segmentBytes - heldBytes)
          held.set(part, heldBytes)
          heldBytes += part.length
          piece = piece.subarray(part.length)
        }
      }
    }
    if (size + sealedSegmentBytes > slab.length) {
      yield slab.subarray(0, size)
      size = 0
    }
    seal(held.subarray(0, heldBytes), true)
    yield slab.subarray(0, size)
  } finally {
    giveBack(slab)
    free(held)
  }
}

/** All at once, for what is no longer than a segment. */
export function sealSingle(plain: Buffer, key: SegmentKey): Buffer {
  if (plain.length > segmentBytes) bug('more than a segment')
  return Buffer.concat(sealSegment(key, plain, 0, true))
}
/** Throws Tampered. */
export function openSingle(sealed: Buffer, key: SegmentKey): Buffer {
  return openSegment(key, sealed, 0, true)
}

/** Where the sealed bytes of a range of the plaintext lie: whole segments. `size`: of the plaintext. */
export function sealedRange(size: number, { start, end }: ByteRange): ByteRange {
  const [first, last] = [Math.floor(start / segmentBytes), Math.floor(end / segmentBytes)]
  return { start: first * sealedSegmentBytes, end: Math.min((last + 1) * sealedSegmentBytes, sealedSize(size)) - 1 }
}

/**
 * Opens what `sealedRange(size, range)` names; gives exactly the bytes of the range. Throws Tampered, before any byte of the
 * segment that is wrong was given.
 */
export async function* openSegments(
  sealed: AsyncIterable<Buffer>,
  key: SegmentKey,
  size: number,
  { start, end }: ByteRange,
): AsyncGenerator<Buffer, undefined> {
  const lastOfAll = segmentsOf(size) - 1
  const first = Math.floor(start / segmentBytes)
  const lastWanted = Math.max(Math.floor(end / segmentBytes), first) // of no bytes there is a segment too
  const [slab, held] = [borrow(), Buffer.allocUnsafeSlow(sealedSegmentBytes)]
  let [given, heldBytes, segment] = [0, 0, first]
  const open = (bytes: Buffer) => {
    const plain = openSegment(key, bytes, segment, segment === lastOfAll)
    const at = segment++ * segmentBytes
    const wanted = plain.subarray(Math.max(start - at, 0), Math.min(end - at + 1, plain.length))
    slab.set(wanted, given)
    given += wanted.length
    free(plain)
  }
  try {
    for await (let piece of sealed) {
      while (piece.length > 0) {
        if (segment > lastWanted) throw new Tampered('there is more than was written')
        if (given + segmentBytes > slab.length) {
          yield slab.subarray(0, given)
          given = 0
        }
        const wanted = segment === lastOfAll ? sealedSize(size) - segment * sealedSegmentBytes : sealedSegmentBytes
        const part = piece.subarray(0, wanted - heldBytes)
        piece = piece.subarray(part.length)
        if (part.length === wanted) open(part)
        else {
          held.set(part, heldBytes)
          heldBytes += part.length
          if (heldBytes < wanted) continue
          open(held.subarray(0, wanted))
          heldBytes = 0
        }
      }
    }
    if (segment <= lastWanted) throw new Tampered('the end is missing')
    yield slab.subarray(0, given)
  } finally {
    giveBack(slab)
    free(held)
  }
}

function openSegment(key: SegmentKey, sealed: Buffer, segment: number, isLast: boolean): Buffer {
  if (sealed.length < tagBytes) throw new Tampered('the end is missing')
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(segment, isLast), { authTagLength: tagBytes })
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  const plain = decipher.update(sealed.subarray(0, -tagBytes))
  try {
    decipher.final()
  } catch (error) {
    throw new Tampered(`segment ${segment}`, error)
  }
  return plain
}
