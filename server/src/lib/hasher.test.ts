import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { makeHasher } from '#lib/hasher.ts'
import { borrow, giveBack } from '#lib/slab.ts'

const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')

/** Through one slab, that is written over as soon as it may be. */
async function digestOf(data: Buffer, size: number, length: number | undefined): Promise<string> {
  const hasher = makeHasher('md5', length)
  const slab = borrow()
  for (let at = 0; at < data.length; at += size) {
    const bytes = data.copy(slab, 0, at, at + size)
    await hasher.update(slab.subarray(0, bytes))
    slab.fill(0xee)
  }
  giveBack(slab)
  const digest = await hasher.digest()
  hasher.drop()
  return digest.toString('hex')
}

test('digests are right, of short and long streams, in pieces of any size, many at once', async () => {
  await Promise.all(
    [0, 1, 4096, 65_537, 3_000_001].flatMap((bytes, n) =>
      [bytes, undefined, 1 << 30].map(async (length) => {
        const data = randomBytes(bytes)
        assert.equal(await digestOf(data, 1000 + 70_001 * n, length), md5(data), `${bytes} bytes of ${length}`)
      }),
    ),
  )
})

test('one that is dropped is no matter of the others', async () => {
  const [one, other] = [makeHasher('md5', undefined), makeHasher('md5', undefined)]
  await one.update(Buffer.from('abc'))
  await other.update(Buffer.from('abc'))
  one.drop()
  await other.update(Buffer.from('def'))
  assert.equal(Buffer.from(await other.digest()).toString('hex'), md5(Buffer.from('abcdef')))
})

test(
  'when the thread fails all are told who wait for it, and who comes later gets another one',
  { skip: availableParallelism() < 2 },
  async () => {
    const [good, bad] = [makeHasher('md5', undefined), makeHasher('nonsense', undefined)]
    await assert.rejects(async () => bad.update(Buffer.from('abc')))
    await assert.rejects(async () => good.update(Buffer.from('abc')))
    await assert.rejects(async () => good.digest())
    good.drop()
    bad.drop()
    assert.equal(await digestOf(Buffer.from('abc'), 2, undefined), md5(Buffer.from('abc')))
  },
)
