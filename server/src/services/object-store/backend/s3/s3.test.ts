import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { newId } from '#lib/id.ts'
import { allOf } from '#lib/testing/pieces.ts'
import { backendConformance } from '../conformance.ts'
import { BlobCorrupt } from '../contract.ts'
import { s3Backend } from './index.ts'
import { startService } from './service.ts'
import { signed } from './sign.ts'

const keys = { accessKey: 'AKIDEXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', region: 'us-east-1' }

backendConformance('s3', async (t) => {
  const service = await startService(t, keys)
  return s3Backend({ name: 'far', endpoint: service.endpoint, bucket: 'blobs', prefix: 'p/', ...keys })
})

async function* chunks(data: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < data.length; at += 65_536) yield data.subarray(at, at + 65_536)
}

test('a signature is the one of the example in the documentation', () => {
  const docs = {
    accessKey: 'AKIAIOSFODNN7EXAMPLE',
    secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    region: 'us-east-1',
  }
  const headers = { host: 'examplebucket.s3.amazonaws.com', range: 'bytes=0-9' }
  const request = { method: 'GET', path: '/test.txt', query: {}, headers, body: Buffer.alloc(0) }
  const { authorization } = signed(request, docs, new Date('2013-05-24T00:00:00Z'))
  assert.match(authorization!, /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/)
})

test('large blobs go in parts; an upload that breaks off leaves no part', async (t) => {
  const service = await startService(t, keys)
  const backend = s3Backend({ name: 'far', endpoint: service.endpoint, bucket: 'blobs', ...keys })
  const [id, data] = [newId(), randomBytes(20_000_000)]
  assert.deepEqual(await backend.write(id, chunks(data)), { size: data.length })
  assert.equal(service.partsOf(id), 3)
  assert.ok(data.equals(await allOf(await backend.read(id))))
  async function* broken(): AsyncIterable<Buffer> {
    yield* chunks(randomBytes(20_000_000))
    throw new Error('the client went away')
  }
  await assert.rejects(backend.write(newId(), broken()), /went away/)
  assert.deepEqual([service.uploads(), service.keys()], [0, [id]])
})

test('an upload of a writer that was killed is aborted once it is old', async (t) => {
  const service = await startService(t, keys)
  const backend = s3Backend({ name: 'far', endpoint: service.endpoint, bucket: 'blobs', ...keys })
  service.begin('left-behind')
  assert.equal(await backend.removeUnfinished(60_000), 0)
  assert.equal(await backend.removeUnfinished(-1000), 1)
  assert.equal(service.uploads(), 0)
})

test('what the service lost or changed is never given to a reader', async (t) => {
  const service = await startService(t, keys)
  const backend = s3Backend({ name: 'far', endpoint: service.endpoint, bucket: 'blobs', ...keys })
  const [id, data] = [newId(), randomBytes(3_000_000)]
  await backend.write(id, chunks(data))
  service.change(id, (stored) => void (stored[2_000_000]! ^= 1))
  await assert.rejects(allOf(await backend.read(id)), BlobCorrupt)
  await assert.rejects(backend.read(id, { start: 1_990_000, end: 2_000_100 }), BlobCorrupt)
  assert.equal((await allOf(await backend.read(id, { start: 10, end: 1_000_000 }))).length, 999_991)
})

test('a service that stumbles is asked again; one that refuses or is full is not', async (t) => {
  const service = await startService(t, keys)
  const at = { name: 'far', endpoint: service.endpoint, bucket: 'blobs' }
  const backend = s3Backend({ ...at, ...keys })
  const id = newId()
  service.fail(2, 503, 'SlowDown')
  await backend.write(id, chunks(Buffer.from('abc')))
  assert.equal((await allOf(await backend.read(id))).toString(), 'abc')
  const stranger = s3Backend({ ...at, ...keys, secretKey: 'another' })
  await assert.rejects(stranger.read(id), { kind: 'unavailable' })
  service.fail(1, 507, 'XMinioStorageFull')
  await assert.rejects(backend.write(newId(), chunks(Buffer.from('abc'))), { kind: 'noSpace' })
  assert.deepEqual(service.keys(), [id])
})
