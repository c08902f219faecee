// The s3 backend on a service that is not made for its tests: another Pileus.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { newId } from '#lib/id.ts'
import { allOf } from '#lib/testing/pieces.ts'
import { type S3Client, s3Cloud } from '../../s3/testing.ts'
import { backendConformance } from '../conformance.ts'
import type { Backend } from '../contract.ts'
import { s3Backend } from './index.ts'

// one cloud for all tests of this file, a bucket for each
let far: Promise<{ client: S3Client; port: number }> | undefined
let made = 0

const ends: (() => unknown)[] = []
after(async () => {
  for (const end of ends) await end()
})

async function startFar() {
  const data = await mkdtemp(join(tmpdir(), 'pileus-far-'))
  const later = ((end: () => unknown) => void ends.push(end)) as TestContext['after']
  const { s3, port } = await s3Cloud({ after: later }, { data })
  ends.push(() => rm(data, { recursive: true }))
  return { client: await s3('member'), port }
}

async function another(prefix = ''): Promise<{ backend: Backend; client: S3Client; bucket: string }> {
  const { client, port } = await (far ??= startFar())
  const bucket = `blobs-${++made}`
  assert.equal((await client.call('PUT', `/${bucket}`)).status, 200)
  const { access: accessKey, secret: secretKey } = client.keys!
  const where = { endpoint: `http://127.0.0.1:${port}`, region: 'local', bucket, prefix }
  return { backend: s3Backend({ name: 'far', ...where, accessKey, secretKey }), client, bucket }
}

backendConformance('s3 of another Pileus', async () => (await another('p/')).backend)

async function* pieces(data: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < data.length; at += 65_536) yield data.subarray(at, at + 65_536)
}

test('large blobs go in parts, and an upload that breaks off, or whose writer died, leaves none', async () => {
  const { backend, client, bucket } = await another()
  const [id, data] = [newId(), randomBytes(20_000_000)]
  await backend.write(id, pieces(data))
  assert.match(String((await client.call('HEAD', `/${bucket}/${id}`)).headers.etag), /-3"$/)
  assert.ok(data.equals(await allOf(await backend.read(id))))
  async function* broken(): AsyncIterable<Buffer> {
    yield* pieces(data)
    throw new Error('the client went away')
  }
  await assert.rejects(backend.write(newId(), broken()), /went away/)
  const uploads = async () => (await client.call('GET', `/${bucket}`, { query: { uploads: '' } })).all('UploadId')
  assert.deepEqual(await uploads(), [])
  await client.call('POST', `/${bucket}/left-behind`, { query: { uploads: '' } })
  assert.equal(await backend.removeUnfinished(60_000), 0)
  assert.equal(await backend.removeUnfinished(-60_000), 1)
  assert.deepEqual(await uploads(), [])
})

test('a place whose bucket or keys are gone says that it is not there', async () => {
  const { backend, client, bucket } = await another()
  const id = newId()
  await backend.write(id, pieces(randomBytes(100)))
  await backend.remove(id)
  assert.equal((await client.call('DELETE', `/${bucket}`)).status, 204)
  assert.deepEqual(
    (await backend.places()).map(({ available }) => available),
    [false],
  )
  await assert.rejects(backend.write(newId(), pieces(randomBytes(100))), { kind: 'unavailable' })
})
