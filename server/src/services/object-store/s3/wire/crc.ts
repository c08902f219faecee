// Cyclic redundancy checks, eight bytes at a time over tables made at the start, and the check of two pieces joined
// (the polynomials: RFC 3720 appendix B.4 for CRC-32C; NVM Express base specification for CRC-64/NVME).
import { crc32 } from 'node:zlib'

/** The check of bytes so far; a function of what was before and the bytes that follow. */
export interface Crc {
  bits: 32 | 64
  /** Reflected, without its highest term. */
  polynomial: bigint
}
export const crcs = {
  crc32: { bits: 32, polynomial: 0xed_b8_83_20n },
  crc32c: { bits: 32, polynomial: 0x82_f6_3b_78n },
  crc64nvme: { bits: 64, polynomial: 0x9a_6c_93_29_ac_4b_c9_b5n },
} as const satisfies Record<string, Crc>
export type CrcName = keyof typeof crcs

export interface Running {
  update(chunk: Buffer): void
  /** Big-endian. */
  bytes(): Buffer
}

export function runningCrc(name: CrcName): Running {
  if (name === 'crc64nvme') return crc64()
  const step = name === 'crc32' ? (chunk: Buffer, before: number) => crc32(chunk, before) : crc32c
  let value = 0
  return {
    update: (chunk) => void (value = step(chunk, value)),
    bytes() {
      const out = Buffer.alloc(4)
      out.writeUInt32BE(value >>> 0)
      return out
    },
  }
}

/** Table n: what a byte does that has n bytes behind it. */
function tablesOf({ bits, polynomial }: Crc): BigUint64Array[] {
  const tables = Array.from({ length: 8 }, () => new BigUint64Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n
    tables[0]![byte] = BigInt.asUintN(bits, value)
  }
  for (let n = 1; n < 8; n++)
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[n - 1]![byte]!
      tables[n]![byte] = (before >> 8n) ^ tables[0]![Number(before & 0xffn)]!
    }
  return tables
}
const low = (tables: BigUint64Array[]) =>
  tables.map((table) => Int32Array.from(table, (each) => Number(BigInt.asIntN(32, each))))
const high = (tables: BigUint64Array[]) =>
  tables.map((table) => Int32Array.from(table, (each) => Number(BigInt.asIntN(32, each >> 32n))))

let tables32c: Int32Array[] | undefined
function crc32c(chunk: Buffer, before: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = (tables32c ??= low(tablesOf(crcs.crc32c))) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  let crc = ~before
  let at = 0
  for (const end = chunk.length - 7; at < end; at += 8) {
    crc ^= chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 24)
    crc =
      t7[crc & 255]! ^
      t6[(crc >>> 8) & 255]! ^
      t5[(crc >>> 16) & 255]! ^
      t4[crc >>> 24]! ^
      t3[chunk[at + 4]!]! ^
      t2[chunk[at + 5]!]! ^
      t1[chunk[at + 6]!]! ^
      t0[chunk[at + 7]!]!
  }
  for (; at < chunk.length; at++) crc = t0[(crc ^ chunk[at]!) & 255]! ^ (crc >>> 8)
  return ~crc
}

let tables64: { low: Int32Array[]; high: Int32Array[] } | undefined
function crc64(): Running {
  if (!tables64) {
    const tables = tablesOf(crcs.crc64nvme)
    tables64 = { low: low(tables), high: high(tables) }
  }
  const [l0, l1, l2, l3, l4, l5, l6, l7] = tables64.low as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  const [h0, h1, h2, h3, h4, h5, h6, h7] = tables64.high as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  let [lo, hi] = [~0, ~0]
  return {
    update(chunk) {
      let at = 0
      for (const end = chunk.length - 7; at < end; at += 8) {
        const x = lo ^ (chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 24))
        const y = hi ^ (chunk[at + 4]! | (chunk[at + 5]! << 8) | (chunk[at + 6]! << 16) | (chunk[at + 7]! << 24))
        const [a, b, c, d] = [x & 255, (x >>> 8) & 255, (x >>> 16) & 255, x >>> 24]
        const [e, f, g, h] = [y & 255, (y >>> 8) & 255, (y >>> 16) & 255, y >>> 24]
        lo = l7[a]! ^ l6[b]! ^ l5[c]! ^ l4[d]! ^ l3[e]! ^ l2[f]! ^ l1[g]! ^ l0[h]!
        hi = h7[a]! ^ h6[b]! ^ h5[c]! ^ h4[d]! ^ h3[e]! ^ h2[f]! ^ h1[g]! ^ h0[h]!
      }
      for (; at < chunk.length; at++) {
        const index = (lo ^ chunk[at]!) & 255
        lo = l0[index]! ^ ((lo >>> 8) | (hi << 24))
        hi = h0[index]! ^ (hi >>> 8)
      }
    },
    bytes() {
      const out = Buffer.alloc(8)
      out.writeUInt32BE(~hi >>> 0, 0)
      out.writeUInt32BE(~lo >>> 0, 4)
      return out
    },
  }
}

/**
 * The check of pieces joined, from theirs and their lengths: appending n bytes multiplies what was before by x^8n modulo the
 * polynomial (the method of zlib's crc32_combine).
 */
export function joinCrcs(name: CrcName, pieces: readonly { crc: Buffer; size: number }[]): Buffer {
  const { bits, polynomial }: Crc = crcs[name]
  const one = 1n << BigInt(bits - 1)
  const times = (a: bigint, b: bigint) => {
    let [product, left] = [0n, b]
    for (let bit = one; bit > 0n; bit >>= 1n) {
      if (a & bit) product ^= left
      left = left & 1n ? (left >> 1n) ^ polynomial : left >> 1n
    }
    return product
  }
  const known = new Map<number, bigint>()
  const power = (size: number) => {
    let found = known.get(size)
    if (found !== undefined) return found
    found = one
    // x^8, then squared for each bit of the length
    for (let [n, factor] = [size, one >> 8n]; n > 0; n = Math.floor(n / 2), factor = times(factor, factor))
      if (n % 2 === 1) found = times(found, factor)
    known.set(size, found)
    return found
  }
  let joined = 0n
  for (const { crc, size } of pieces) joined = times(power(size), joined) ^ BigInt(`0x${crc.toString('hex')}`)
  return Buffer.from(joined.toString(16).padStart(bits / 4, '0'), 'hex')
}
