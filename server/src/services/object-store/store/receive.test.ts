import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { readConfig } from '#lib/config.ts'
import { makeHasher } from '#lib/hasher.ts'
import { allOf, lent } from '#lib/testing/pieces.ts'
import type { World } from '#lib/world.ts'
import type { Sealing } from '../encryption/sealing.ts'
import { readBytes } from './read.ts'
import { receive } from './receive.ts'

/** As much of a world as bytes need. */
async function place(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-receive-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const files = async () =>
    (await readdir(join(data, 'objects'), { recursive: true }).catch(() => [])).filter((name) => name.includes('/'))
  return { world: { config: readConfig({}, { data }) } as World, files }
}

test('bytes are what was sent, with their digests, in pieces of odd sizes, many at once', async (t) => {
  const { world } = await place(t)
  await Promise.all(
    [0, 1, 16_384, 16_385, 65_536, 1_000_001, 5_000_003].flatMap((bytes, n) =>
      [undefined, bytes].map(async (length) => {
        const data = randomBytes(bytes)
        const sha256 = createHash('sha256')
        const pieces = lent(data, 1 + n, 100_001, 65_536, 700_000)
        const received = await receive(world, pieces, { length, checksums: { sha256 } })
        assert.equal(received.size, bytes)
        assert.equal(received.etag, createHash('md5').update(data).digest('hex'))
        assert.equal(received.checksums['sha256'], createHash('sha256').update(data).digest('base64'))
        assert.equal(received.data === null, bytes > 16_384)
        const read = await readBytes(world, received, 0, bytes - 1)
        assert.ok(data.equals(Buffer.isBuffer(read) ? read : await allOf(read)))
      }),
    ),
  )
})

test('encrypted bytes at the backend are as long as they should be, and not those that were sent', async (t) => {
  const { world } = await place(t)
  const data = randomBytes(2_000_003)
  const sealed = { mode: 'sse-c', dataKey: '' } as const
  const sealing: Sealing = { sealed, dataKey: randomBytes(32), opaqueEtag: false }
  const received = await receive(world, lent(data, 99_999), { sealing })
  assert.equal(received.etag, createHash('md5').update(data).digest('hex'))
  const [extent] = received.extents!
  const { sealed: _, ...stored } = extent!
  const size = data.length + 16 * Math.ceil(data.length / 65_536)
  const raw = await readBytes(world, { data: null, size, sealed: null, extents: [{ ...stored, size }] }, 0, size - 1)
  const bytes = Buffer.isBuffer(raw) ? raw : await allOf(raw)
  assert.equal(bytes.length, size)
  assert.equal(bytes.indexOf(data.subarray(0, 16)), -1)
})

test('of a client that goes away in the middle nothing stays, whatever it had sent', async (t) => {
  const { world, files } = await place(t)
  for (const bytes of [10, 100_000, 3_000_000]) {
    async function* broken(): AsyncGenerator<Buffer, undefined> {
      yield* lent(randomBytes(bytes), 70_001)
      throw new Error('the client went away')
    }
    await assert.rejects(receive(world, broken(), { length: 1 << 30 }), /went away/)
    assert.deepEqual(await files(), [])
  }
})

test(
  'when the thread that computes digests fails, nothing stays, and the next upload succeeds',
  { skip: availableParallelism() < 2 },
  async (t) => {
    const { world, files } = await place(t)
    const data = randomBytes(3_000_000)
    async function* harmed(): AsyncGenerator<Buffer, undefined> {
      yield* lent(data, 100_000)
      const bad = makeHasher('nonsense', undefined)
      await assert.rejects(async () => bad.update(data))
      bad.drop()
      yield* lent(data, 100_000)
    }
    await assert.rejects(receive(world, harmed()), /Digest method not supported/)
    assert.deepEqual(await files(), [])
    assert.equal((await receive(world, lent(data, 100_000))).etag, createHash('md5').update(data).digest('hex'))
  },
)
