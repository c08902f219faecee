import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { test } from 'node:test'
import { allOf, lent } from '#lib/testing/pieces.ts'
import { newSalt, openSegments, sealedRange, sealedSize, sealSegments, segmentKey, Tampered } from './format.ts'

const segment = 65_536
const tag = 16
const whole = segment + tag
const fresh = () => segmentKey(randomBytes(32), newSalt())

const inPieces = (data: Buffer, most = 700_000) => lent(data, ...Array.from({ length: 10 }, () => randomInt(1, most)))
const seal = (plain: Buffer, key: Buffer, most?: number) => allOf(sealSegments(inPieces(plain, most), key))
const all = (size: number) => ({ start: 0, end: size - 1 })
const open = (sealed: Buffer, key: Buffer, size: number, range = all(size)) =>
  allOf(openSegments(inPieces(sealed), key, size, range))

const sizes = [0, 1, 4096, segment - 1, segment, segment + 1, 3 * segment, 5 * segment + 777, 20 * segment + 1]

test('bytes of every size come back, whatever the pieces they came in, and are longer by one tag for each segment', async () => {
  for (const size of sizes) {
    const [plain, key] = [randomBytes(size), fresh()]
    const sealed = await seal(plain, key)
    assert.equal(sealed.length, sealedSize(size))
    assert.ok(plain.equals(await open(sealed, key, size)), `${size} bytes`)
  }
  const plain = randomBytes(segment + 10)
  const key = fresh()
  assert.ok((await seal(plain, key, 2)).equals(await seal(plain, key)), 'byte by byte it is the same')
})

test('any range is what the plaintext has there, and only the segments that it touches are read', async () => {
  for (const size of sizes.slice(1)) {
    const [plain, key] = [randomBytes(size), fresh()]
    const sealed = await seal(plain, key)
    const edges = [0, segment - 1, segment, 2 * segment, size - 1].filter((at) => at < size)
    const ranges = edges.flatMap((start) => edges.filter((end) => end >= start).map((end) => ({ start, end })))
    for (let i = 0; i < 30; i++) {
      const start = randomInt(size)
      ranges.push({ start, end: randomInt(start, size) })
    }
    for (const range of ranges) {
      const where = sealedRange(size, range)
      const touched = Math.floor(range.end / segment) - Math.floor(range.start / segment) + 1
      assert.ok(where.end - where.start + 1 <= touched * whole && where.end < sealed.length)
      const got = await open(sealed.subarray(where.start, where.end + 1), key, size, range)
      assert.ok(plain.subarray(range.start, range.end + 1).equals(got), `${size}: ${range.start}-${range.end}`)
    }
  }
})

/** Opens what was tampered with: it must be refused, and what was given out before must be true. */
async function refused(sealed: Buffer, key: Buffer, plain: Buffer, what: string, size = plain.length): Promise<void> {
  let given = Buffer.alloc(0)
  await assert.rejects(
    async () => {
      for await (const piece of openSegments(inPieces(sealed), key, size, all(size)))
        given = Buffer.concat([given, piece])
    },
    Tampered,
    what,
  )
  assert.ok(plain.subarray(0, given.length).equals(given), `${what}: no wrong byte is given out`)
}

test('a changed byte anywhere is refused', async () => {
  const size = 2 * segment + 100
  const [plain, key] = [randomBytes(size), fresh()]
  const sealed = await seal(plain, key)
  const places = {
    'first byte of ciphertext': 0,
    'last byte of a full segment': segment - 1,
    'first byte of a tag': segment,
    'last byte of a tag': whole - 1,
    'first byte of a later segment': whole,
    'byte of the last segment': 2 * whole + 50,
    'byte of the last tag': sealed.length - 1,
  }
  for (const [what, at] of Object.entries(places)) {
    for (const bit of [1, 0x80]) {
      const changed = Buffer.from(sealed)
      changed[at]! ^= bit
      await refused(changed, key, plain, what)
    }
  }
  for (let i = 0; i < 200; i++) {
    const changed = Buffer.from(sealed)
    changed[randomInt(sealed.length)]! ^= randomInt(1, 256)
    await refused(changed, key, plain, 'a byte')
  }
})

test('segments out of order, twice, left out or cut off, bytes put on, sizes that lie: all refused', async () => {
  const size = 3 * segment
  const [plain, key] = [randomBytes(size), fresh()]
  const sealed = await seal(plain, key)
  const [a, b, c] = [sealed.subarray(0, whole), sealed.subarray(whole, 2 * whole), sealed.subarray(2 * whole)]
  const cat = (...parts: Buffer[]) => Buffer.concat(parts)
  const cases: [string, Buffer, number?][] = [
    ['swapped', cat(b, a, c)],
    ['the last one first', cat(c, b, a)],
    ['the last two swapped', cat(a, c, b)],
    ['one twice', cat(a, a, c)],
    ['one left out', cat(a, c)],
    ['the last one cut off', cat(a, b)],
    ['cut off, with the size that belongs to it', cat(a, b), 2 * segment],
    ['one left out, with the size that belongs to it', cat(a, c), 2 * segment],
    ['cut in a segment', sealed.subarray(0, 2 * whole + 100)],
    ['cut in a segment, with the size that belongs to it', sealed.subarray(0, whole + 100), segment + 100 - tag],
    ['cut in a tag', sealed.subarray(0, -1)],
    ['nothing', Buffer.alloc(0)],
    ['nothing, said to be empty', Buffer.alloc(0), 0],
    ['a byte put on', cat(sealed, Buffer.alloc(1))],
    ['a segment put on', cat(sealed, c)],
    ['a segment put on, with the size that belongs to it', cat(sealed, c), 4 * segment],
    ['said to be shorter', sealed, size - 1],
    ['said to be longer', sealed, size + 1],
  ]
  for (const [what, bytes, said] of cases) await refused(bytes, key, plain, what, said)
})

test('bytes of another blob are refused, of the same data key too', async () => {
  const dataKey = randomBytes(32)
  const [one, two] = [segmentKey(dataKey, newSalt()), segmentKey(dataKey, newSalt())]
  const [plain, other] = [randomBytes(segment + 5), randomBytes(segment + 5)]
  const [sealed, sealedOther] = [await seal(plain, one), await seal(other, two)]
  await refused(sealedOther, one, plain, 'the whole of another part')
  await refused(Buffer.concat([sealed.subarray(0, whole), sealedOther.subarray(whole)]), one, plain, 'one segment')
  await refused(sealed, fresh(), plain, 'another object')
  assert.ok(!sealed.equals(await seal(plain, two)), 'the same bytes look different in another blob')
})

test('it holds a slab and a segment, and takes no more than is asked for', async () => {
  let [taken, given] = [0, 0]
  async function* endless(): AsyncIterable<Buffer> {
    for (;;) {
      taken += segment
      yield Buffer.alloc(segment)
    }
  }
  const sealing = sealSegments(endless(), fresh())[Symbol.asyncIterator]()
  for (let i = 1; i <= 20; i++) {
    const got = await sealing.next()
    given += got.value!.length
    assert.ok(taken <= given + 2 * segment, `${taken} taken for ${given} given`)
  }
  await sealing.return(undefined)
})
