// How a blob is stored: blocks of 64 KiB, each followed by its CRC-32, so that any range is verified as it is read. A sum
// covers the bytes, the blob's id, the block's number and whether it is the last one: a block of another blob, at another
// place, or a blob that lost its end is found like a flipped bit.
import { crc32 } from 'node:zlib'
import { BlobCorrupt } from './contract.ts'

export const blockBytes = 65_536
export const sumBytes = 4
export const storedBlock = blockBytes + sumBytes

/** Bytes of the blob, of the bytes stored for it. */
export function plainSize(storedSize: number): number {
  return storedSize - Math.ceil(storedSize / storedBlock) * sumBytes
}

/** The blocks that hold these bytes (both ends inclusive), and how far into the first of them they begin. */
export function blocksOf(start: number, end: number): { first: number; last: number; skip: number } {
  const first = Math.floor(start / blockBytes)
  return { first, last: Math.floor(end / blockBytes), skip: start - first * blockBytes }
}

const place = Buffer.alloc(5)
function sealed(sum: number, index: number, isLast: boolean): number {
  place.writeUInt32LE(index)
  place[4] = isLast ? 1 : 0
  return crc32(place, sum)
}

/** Bytes of a blob on their way to where they are stored; nothing is copied. */
export interface Blocks {
  /** What to store of these and of earlier bytes. */
  add(chunk: Buffer): Buffer[]
  /** What is left to store when there are no more. */
  end(): Buffer[]
  readonly size: number
}

export function intoBlocks(id: string): Blocks {
  const seed = crc32(id)
  let [size, index, held, sum] = [0, 0, 0, seed]
  const close = (isLast: boolean) => {
    const stored = Buffer.allocUnsafe(sumBytes)
    stored.writeUInt32LE(sealed(sum, index, isLast))
    index++
    held = 0
    sum = seed
    return stored
  }
  return {
    add(chunk) {
      const out: Buffer[] = []
      for (let at = 0; at < chunk.length;) {
        // a block that is full stays open until it is known whether it is the last one
        if (held === blockBytes) out.push(close(false))
        const piece = chunk.subarray(at, at + blockBytes - held)
        sum = crc32(piece, sum)
        held += piece.length
        at += piece.length
        out.push(piece)
      }
      size += chunk.length
      return out
    },
    end: () => [close(true)],
    get size() {
      return size
    },
  }
}

/** Whether this is what was stored with that sum as block number `index`. */
export function isBlock(id: string, data: Buffer, sum: number, index: number, isLast: boolean): boolean {
  return sealed(crc32(data, crc32(id)), index, isLast) === sum
}

/**
 * The blob's bytes in `stored`, which is whole blocks from number `first` on, and is overwritten. `isEnd`: the last of
 * them is the blob's last one. Throws BlobCorrupt.
 */
export function outOfBlocks(id: string, stored: Buffer, first: number, isEnd: boolean): Buffer {
  let to = 0
  for (let [at, index] = [0, first]; at < stored.length; index++) {
    const next = Math.min(at + storedBlock, stored.length)
    if (next - at < sumBytes) throw new BlobCorrupt(id)
    const data = stored.subarray(at, next - sumBytes)
    if (!isBlock(id, data, stored.readUInt32LE(next - sumBytes), index, isEnd && next === stored.length))
      throw new BlobCorrupt(id)
    if (to !== at) stored.copyWithin(to, at, next - sumBytes)
    to += data.length
    at = next
  }
  return stored.subarray(0, to)
}
