import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql, type Tx } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import type { Extent } from '../model.ts'
import { beginUpload, dropUploads, endUpload, putPart } from '../uploads.ts'
import { holdBlobs, releaseBlobs } from './blobs.ts'

const many = 1000
const newExtents = (count: number): Extent[] =>
  Array.from({ length: count }, () => ({ blob: newId(), size: 10, backend: 'disk' }))

/** The same transaction, and how many statements went through it. */
function counting(tx: Tx): { tx: Tx; statements: () => number } {
  let statements = 0
  const rows = (query: Parameters<Tx['rows']>[0]) => {
    statements++
    return tx.rows(query)
  }
  return { tx: Object.assign(Object.create(tx) as Tx, { rows }), statements: () => statements }
}

async function store(t: TestContext) {
  const { db } = (await testCloud(t)).app.world
  return {
    db,
    async counts() {
      const [row] = await db.rows<{ blobs: number; refs: number; garbage: number }>(sql`select
        (select count(*)::int from object_blob) as blobs, (select coalesce(sum(refs), 0)::int from object_blob) as refs,
        (select count(*)::int from object_garbage) as garbage`)
      return [row!.blobs, row!.refs, row!.garbage]
    },
  }
}

test('the blobs of an object of a thousand parts are held, shared and let go by one statement each', async (t) => {
  const { db, counts } = await store(t)
  const extents = newExtents(many)
  const once = async (work: (tx: Tx) => Promise<void>) =>
    db.transaction(async (real) => {
      const { tx, statements } = counting(real)
      await work(tx)
      assert.equal(statements(), 1)
    })
  await once((tx) => holdBlobs(tx, extents, false))
  assert.deepEqual(await counts(), [many, many, 0])
  // who holds the same in another order does not stand in the way
  await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      once((tx) => holdBlobs(tx, n % 2 === 0 ? extents : extents.toReversed(), true)),
    ),
  )
  assert.deepEqual(await counts(), [many, 9 * many, 0])
  await Promise.all(
    Array.from({ length: 8 }, (_, n) => once((tx) => releaseBlobs(tx, n % 2 === 0 ? extents : extents.toReversed()))),
  )
  assert.deepEqual(await counts(), [many, many, 0])
  await once((tx) => releaseBlobs(tx, extents))
  assert.deepEqual(await counts(), [0, 0, many])
  await assert.rejects(
    db.transaction((tx) => holdBlobs(tx, extents.slice(0, 1), true)),
    { kind: 'conflict' },
  )
})

test('an object may hold a blob several times, and each time counts', async (t) => {
  const { db, counts } = await store(t)
  const [one, other] = newExtents(2) as [Extent, Extent]
  await db.transaction((tx) => holdBlobs(tx, [one, other], false))
  await db.transaction((tx) => holdBlobs(tx, [one, one, other], true))
  assert.deepEqual(await counts(), [2, 5, 0])
  await db.transaction((tx) => releaseBlobs(tx, [one, other, one]))
  assert.deepEqual(await counts(), [2, 2, 0])
  await db.transaction((tx) => releaseBlobs(tx, [one]))
  assert.deepEqual(await counts(), [1, 1, 1])
})

test('of many who let go at once exactly one makes garbage of it', async (t) => {
  const { db, counts } = await store(t)
  const extents = newExtents(20)
  await db.transaction((tx) => holdBlobs(tx, extents, false))
  for (let n = 0; n < 11; n++) await db.transaction((tx) => holdBlobs(tx, extents, true))
  await Promise.all(Array.from({ length: 12 }, () => db.transaction((tx) => releaseBlobs(tx, extents))))
  assert.deepEqual(await counts(), [0, 0, 20])
})

test('an upload of a thousand parts ends: those it keeps stay, the others are garbage', async (t) => {
  const { db, counts } = await store(t)
  const containerId = 1
  const facts = { contentType: 'a/b', metadata: {}, headers: {} }
  const spec = { containerId, name: 'o', initiator: 'x', facts, storageClass: 'STANDARD', checksum: null, sealed: null }
  const extents = newExtents(many)
  const fill = (count: number) =>
    db.transaction(async (tx) => {
      const { id: uploadId } = await beginUpload(tx, spec)
      for (const [number, extent] of extents.slice(0, count).entries()) {
        const part = { uploadId, number, size: 10, etag: 'x', checksums: {}, extents: [extent] }
        assert.ok(await putPart(tx, part))
      }
      return uploadId
    })
  const id = await fill(many)
  await db.transaction((tx) => endUpload(tx, id, new Set([0, 500])))
  assert.deepEqual(await counts(), [2, 2, many - 2])
  await db.transaction((tx) => releaseBlobs(tx, [extents[0]!, extents[500]!]))
  await fill(100)
  await db.transaction((tx) => dropUploads(tx, containerId))
  assert.deepEqual((await counts()).slice(0, 2), [0, 0])
})
