import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sql } from '#lib/db.ts'
import { rotateObjectKeys } from '../../encryption/renew.ts'
import { type S3Call, type S3Client, type S3Reply, s3Cloud } from '../testing.ts'

const sse = 'x-amz-server-side-encryption'
const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex')
const small = Buffer.from('a little text')
const big = Buffer.from(Array.from({ length: 9000 }, (_, i) => `line ${i} of it\n`).join(''))

function customer(key: Buffer, of: '' | 'copy-source-' = ''): Record<string, string> {
  const name = `x-amz-${of}server-side-encryption-customer`
  return {
    [`${name}-algorithm`]: 'AES256',
    [`${name}-key`]: key.toString('base64'),
    [`${name}-key-md5`]: createHash('md5').update(key).digest('base64'),
  }
}

async function vault(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-vault-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const { cloud, s3 } = await s3Cloud(t, { data })
  const client = await s3('member')
  await client.call('PUT', '/vault')
  const blobs = async () => {
    const all = await readdir(join(data, 'objects'), { recursive: true, withFileTypes: true }).catch(() => [])
    return all.filter((each) => each.isFile() && /^[0-9a-f-]{36}$/.test(each.name)).length
  }
  return { cloud, client, blobs }
}

const put = (client: S3Client, key: string, body: Buffer, headers: Record<string, string> = {}) =>
  client.call('PUT', `/vault/${key}`, { body, headers })
const get = (client: S3Client, key: string, headers: Record<string, string> = {}) =>
  client.call('GET', `/vault/${key}`, { headers })
const etag = (reply: S3Reply) => String(reply.headers['etag']).replaceAll('"', '')

test('SSE-S3 and SSE-KMS: what is put comes back, whole and by ranges, and replies say how it lies', async (t) => {
  const { cloud, client } = await vault(t)
  const { json } = await cloud.as('member').post('/object-keys/v1/keys', { key: { name: 'payroll' } })
  const arn = json.key.arn as string
  for (const body of [small, big, Buffer.alloc(0)]) {
    const plain = await put(client, 'o', body)
    assert.deepEqual([plain.status, plain.headers[sse]], [200, undefined])
    const own = await put(client, 'o', body, { [sse]: 'AES256' })
    assert.deepEqual([own.status, own.headers[sse], etag(own)], [200, 'AES256', md5(body)])
    const read = await get(client, 'o')
    assert.deepEqual([read.status, read.headers[sse], read.bytes.equals(body)], [200, 'AES256', true])
    for (const named of ['alias/payroll', json.key.id as string, arn]) {
      const kms = await put(client, 'k', body, { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: named })
      assert.deepEqual([kms.status, kms.headers[sse], kms.headers[`${sse}-aws-kms-key-id`]], [200, 'aws:kms', arn])
      assert.match(etag(kms), /^[0-9a-f]{32}$/)
      assert.notEqual(etag(kms), md5(body))
      const head = await client.call('HEAD', '/vault/k')
      assert.deepEqual([head.headers[sse], etag(head)], ['aws:kms', etag(kms)])
      assert.ok((await get(client, 'k')).bytes.equals(body))
    }
  }
  await put(client, 'k', big, { [sse]: 'aws:kms' })
  for (const [start, end] of [
    [0, 0],
    [65_535, 65_536],
    [1000, big.length - 1],
  ] as const) {
    const part = await get(client, 'k', { range: `bytes=${start}-${end}` })
    assert.ok(part.status === 206 && part.bytes.equals(big.subarray(start, end + 1)))
  }
  const wrongDigest = await put(client, 'k', big, {
    [sse]: 'aws:kms',
    'content-md5': createHash('md5').update('else').digest('base64'),
  })
  assert.equal(wrongDigest.the('Code'), 'BadDigest', 'the digest is of the bytes, though the ETag is not')

  const missing = await put(client, 'k', small, { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'nobody' })
  assert.deepEqual([missing.status, missing.the('Code')], [400, 'KMS.NotFoundException'])
  await put(client, 'k', small, { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'payroll' })
  const manager = cloud.as('manager')
  await manager.patch(`/object-keys/v1/keys/${json.key.id}`, { key: { enabled: false } })
  assert.equal((await get(client, 'k')).the('Code'), 'KMS.DisabledException')
  await manager.patch(`/object-keys/v1/keys/${json.key.id}`, { key: { enabled: true } })
  await manager.delete(`/object-keys/v1/keys/${json.key.id}`)
  assert.equal((await get(client, 'k')).the('Code'), 'KMS.KMSInvalidStateException')
})

test("SSE-C: without the customer's key, or with another one, nothing is told; with it all is", async (t) => {
  const { client } = await vault(t)
  const [key, other] = [randomBytes(32), randomBytes(32)]
  for (const body of [small, big, Buffer.alloc(0)]) {
    const made = await put(client, 'c', body, customer(key))
    assert.deepEqual([made.status, made.headers[`${sse}-customer-algorithm`]], [200, 'AES256'])
    assert.equal(made.headers[`${sse}-customer-key-md5`], createHash('md5').update(key).digest('base64'))
    assert.notEqual(etag(made), md5(body))
    const read = await get(client, 'c', customer(key))
    assert.deepEqual([read.status, read.bytes.equals(body)], [200, true])
    assert.equal(read.headers[`${sse}-customer-algorithm`], 'AES256')
    assert.equal((await client.call('HEAD', '/vault/c', { headers: customer(key) })).status, 200)
    const without = await get(client, 'c')
    assert.deepEqual([without.status, without.the('Code')], [400, 'InvalidRequest'])
    const wrong = await get(client, 'c', customer(other))
    assert.deepEqual([wrong.status, wrong.the('Code')], [403, 'AccessDenied'])
    assert.equal((await client.call('HEAD', '/vault/c')).status, 400)
    assert.equal((await client.call('HEAD', '/vault/c', { headers: customer(other) })).status, 403)
  }
  await put(client, 'plain', small)
  const needless = await get(client, 'plain', customer(key))
  assert.deepEqual([needless.status, needless.the('Code')], [400, 'InvalidRequest'])
  const lying = { ...customer(key), [`${sse}-customer-key-md5`]: createHash('md5').update(other).digest('base64') }
  assert.equal((await put(client, 'c', small, lying)).the('Code'), 'InvalidArgument')
})

test('copies change how bytes are encrypted, and need the key of what they copy', async (t) => {
  const { client, blobs } = await vault(t)
  const [one, two] = [randomBytes(32), randomBytes(32)]
  const ways: { write: Record<string, string>; read: Record<string, string>; source: Record<string, string> }[] = [
    { write: {}, read: {}, source: {} },
    { write: { [sse]: 'AES256' }, read: {}, source: {} },
    { write: { [sse]: 'aws:kms' }, read: {}, source: {} },
    { write: customer(one), read: customer(one), source: customer(one, 'copy-source-') },
    { write: customer(two), read: customer(two), source: customer(two, 'copy-source-') },
  ]
  for (const [i, from] of ways.entries()) {
    await put(client, `from${i}`, big, from.write)
    for (const [j, to] of ways.entries()) {
      const before = await blobs()
      const headers = { 'x-amz-copy-source': `/vault/from${i}`, ...from.source, ...to.write }
      const copied = await client.call('PUT', `/vault/to${i}${j}`, { headers })
      assert.equal(copied.status, 200, copied.text)
      assert.equal(copied.headers[sse], to.write[sse])
      assert.equal((await blobs()) - before, i === j && i < 3 ? 0 : 1, 'shared where it may be')
      assert.ok((await get(client, `to${i}${j}`, to.read)).bytes.equals(big))
    }
  }
  const keyless = await client.call('PUT', '/vault/x', { headers: { 'x-amz-copy-source': '/vault/from3' } })
  assert.deepEqual([keyless.status, keyless.the('Code')], [400, 'InvalidRequest'])
  const wrong = { 'x-amz-copy-source': '/vault/from3', ...customer(two, 'copy-source-') }
  assert.equal((await client.call('PUT', '/vault/x', { headers: wrong })).status, 403)
})

async function upload(client: S3Client, key: string, parts: Buffer[], begin: S3Call, each: S3Call) {
  const begun = await client.call('POST', `/vault/${key}`, { query: { uploads: '' }, ...begin })
  assert.equal(begun.status, 200, begun.text)
  const uploadId = begun.the('UploadId')
  const named: string[] = []
  for (const [i, body] of parts.entries()) {
    const query = { partNumber: String(i + 1), uploadId }
    const reply = await client.call('PUT', `/vault/${key}`, { query, body, ...each })
    assert.equal(reply.status, 200, reply.text)
    named.push(`<Part><PartNumber>${i + 1}</PartNumber><ETag>${String(reply.headers['etag'])}</ETag></Part>`)
  }
  const finish = () =>
    client.call('POST', `/vault/${key}`, {
      query: { uploadId },
      body: `<CompleteMultipartUpload>${named.join('')}</CompleteMultipartUpload>`,
    })
  return { begun, uploadId, finish }
}

test('uploads in parts are encrypted part by part and read across them; a change of keys in between harms nobody', async (t) => {
  const { cloud, client } = await vault(t)
  const key = randomBytes(32)
  const parts = [randomBytes(5 << 20), randomBytes((5 << 20) + 777), randomBytes(100)]
  const whole = Buffer.concat(parts)
  const edge = parts[0]!.length
  for (const [headers, read] of [
    [{ [sse]: 'AES256' }, {}],
    [{ [sse]: 'aws:kms' }, {}],
    [customer(key), customer(key)],
  ] as [Record<string, string>, Record<string, string>][]) {
    const { begun, uploadId, finish } = await upload(client, 'm', parts, { headers }, { headers: read })
    assert.equal(begun.headers[sse], headers[sse])
    if (headers[sse] === undefined) {
      const query = { partNumber: '1', uploadId }
      const keyless = await client.call('PUT', '/vault/m', { query, body: small })
      assert.equal(keyless.the('Code'), 'InvalidRequest')
    }
    await cloud.db.transaction((tx) => rotateObjectKeys(tx, 'local'))
    await cloud.runTasks()
    const done = await finish()
    assert.equal(done.status, 200, done.text)
    assert.equal(done.headers[sse], headers[sse])
    const all = await get(client, 'm', read)
    assert.ok(all.bytes.equals(whole))
    assert.match(etag(all), /-3$/)
    for (const [start, end] of [
      [edge - 3, edge + 3],
      [edge + 65_530, edge + 65_545],
      [10, whole.length - 10],
      [whole.length - 101, whole.length - 1],
    ] as const) {
      const some = await get(client, 'm', { ...read, range: `bytes=${start}-${end}` })
      assert.ok(some.status === 206 && some.bytes.equals(whole.subarray(start, end + 1)), `${start}-${end}`)
    }
  }
  const [left] = await cloud.db.rows<{ n: string }>(
    sql`select count(*) as n from object where sealed->>'keyVersion' = '1'`,
  )
  assert.equal(Number(left!.n), 0, 'what was completed after the change has the new wrapping')
})
