// The backend contract, as tests: call it with every backend there is.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { allOf, lent } from '#lib/testing/pieces.ts'
import { type Backend, BlobMissing } from './contract.ts'

async function ids(backend: Backend): Promise<string[]> {
  const found: string[] = []
  for await (const { id } of backend.list()) found.push(id)
  return found
}

export function backendConformance(name: string, make: (t: TestContext) => Promise<Backend>): void {
  test(`${name}: bytes come back as they went in, whole and by range`, async (t) => {
    const backend = await make(t)
    for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 1 << 20, 9_000_001]) {
      const [id, data] = [newId(), randomBytes(size)]
      assert.deepEqual(await backend.write(id, lent(data, 65_537)), { size })
      assert.ok(data.equals(await allOf(await backend.read(id))))
      if (size < 10) continue
      for (const [start, end] of [
        [0, 0],
        [5, size - 1],
        [size - 1, size - 1],
        [1000, 60_000],
        [size >> 1, size - 2],
      ] as const)
        assert.ok(data.subarray(start, end + 1).equals(await allOf(await backend.read(id, { start, end }))))
    }
  })

  test(`${name}: a writer that fails leaves nothing, and nobody saw a part`, async (t) => {
    const backend = await make(t)
    const id = newId()
    async function* broken(): AsyncIterable<Buffer> {
      yield randomBytes(100_000)
      await assert.rejects(backend.read(id), BlobMissing)
      throw new Error('the client went away')
    }
    await assert.rejects(backend.write(id, broken()), /went away/)
    await assert.rejects(backend.read(id), BlobMissing)
    assert.deepEqual(await ids(backend), [])
  })

  test(`${name}: a check of what is there finds it whole, of what is not, missing`, async (t) => {
    const backend = await make(t)
    const id = newId()
    await backend.write(id, lent(randomBytes(200_000), 70_000))
    for (const deep of [true, false])
      assert.deepEqual(await backend.check(id, { deep }), { state: 'whole', repaired: 0 })
    assert.deepEqual(await backend.check(newId(), { deep: true }), { state: 'missing', repaired: 0 })
    assert.equal(await backend.removeUnfinished(0), 0)
    const [place] = await backend.places()
    assert.equal(place?.available, true)
  })

  test(`${name}: many writers and readers at once do not meet`, async (t) => {
    const backend = await make(t)
    await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const [id, data] = [newId(), randomBytes(150_000 * n + 1)]
        await backend.write(id, lent(data, 30_000 + n))
        assert.ok(data.equals(await allOf(await backend.read(id))))
      }),
    )
  })

  test(`${name}: what is removed is gone, twice`, async (t) => {
    const backend = await make(t)
    const id = newId()
    await backend.write(id, lent(Buffer.from('abc'), 1))
    assert.deepEqual(await ids(backend), [id])
    await backend.remove(id)
    await backend.remove(id)
    await assert.rejects(backend.read(id), BlobMissing)
    assert.deepEqual(await ids(backend), [])
  })

  test(`${name}: who reads while it is removed reads to the end`, async (t) => {
    const backend = await make(t)
    const [id, data] = [newId(), randomBytes(5_000_000)]
    await backend.write(id, lent(data, 1 << 20))
    const reading = await backend.read(id)
    await backend.remove(id)
    assert.ok(data.equals(await allOf(reading)))
  })
}
