// Uploads in parts, and checksums.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sql } from '#lib/db.ts'
import { allBackends } from '../../backends.ts'
import { collectGarbage, sweepOrphans } from '../../sweep.ts'
import { digestOf } from '../wire/checksums.ts'
import { crcs, type CrcName, joinCrcs, runningCrc } from '../wire/crc.ts'
import { type S3Client, s3Cloud } from '../testing.ts'

const swift = '/object-store/v1/AUTH_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const md5 = (data: string | Buffer) => createHash('md5').update(data).digest()
const mib = 1 << 20

// "123456789": the check values of the CRC catalogue, and of RFC 3720
test('checksums are those that others compute, whole, in pieces and joined', () => {
  const known = { crc32: 'cbf43926', crc32c: 'e3069283', crc64nvme: 'ae8b14860a799888' }
  for (const [name, expected] of Object.entries(known) as [CrcName, string][]) {
    const running = runningCrc(name)
    running.update(Buffer.from('123456789'))
    assert.equal(running.bytes().toString('hex'), expected, name)
    const data = randomBytes(10_007)
    const of = (piece: Buffer) => {
      const each = runningCrc(name)
      for (let at = 0; at < piece.length; at += 1001) each.update(piece.subarray(at, at + 1001))
      return each.bytes()
    }
    const cuts = [0, 3, 3, 5000, 5001, 10_007]
    const pieces = cuts.slice(1).map((end, i) => data.subarray(cuts[i], end))
    const joined = joinCrcs(
      name,
      pieces.map((piece) => ({ crc: of(piece), size: piece.length })),
    )
    assert.deepEqual(joined, of(data), `${name} joined`)
    assert.ok(crcs[name])
  }
  const sha = digestOf('sha256')
  sha.update(Buffer.from('x'))
  assert.equal(sha.digest('base64'), createHash('sha256').update('x').digest('base64'))
})

async function withBucket(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-s3-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const all = await s3Cloud(t, { data })
  const member = await all.s3('member')
  await member.call('PUT', '/box')
  const blobs = async () => {
    let count = 0
    for (const backend of allBackends(all.cloud.app.world)) for await (const _ of backend.list()) count++
    return count
  }
  return { ...all, member, blobs, world: all.cloud.app.world }
}
const begin = async (member: S3Client, key: string, headers: Record<string, string> = {}) => {
  const made = await member.call('POST', `/box/${key}`, { query: { uploads: '' }, headers })
  assert.equal(made.status, 200, made.text)
  return made.the('UploadId')
}
const part = (member: S3Client, key: string, uploadId: string, number: number, body: Buffer, headers = {}) =>
  member.call('PUT', `/box/${key}`, { query: { uploadId, partNumber: String(number) }, body, headers })
const complete = (
  member: S3Client,
  key: string,
  uploadId: string,
  parts: [number, string, string?][],
  headers = {},
) => {
  const listed = parts.map(
    ([number, etag, more = '']) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${more}</Part>`,
  )
  const body = `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`
  return member.call('POST', `/box/${key}`, { query: { uploadId }, body, headers })
}

test('an upload in parts: begun, filled, listed, completed, read by part and by Swift, and its parts given back', async (t) => {
  const { member, cloud, blobs, world } = await withBucket(t)
  const bodies = [randomBytes(5 * mib), randomBytes(5 * mib), randomBytes(1000)]
  const id = await begin(member, 'o', { 'x-amz-meta-a': 'one', 'content-type': 'a/b' })
  assert.deepEqual((await member.call('GET', '/box', { query: { uploads: '' } })).all('UploadId'), [id])
  // the first is sent twice: the later one counts
  await part(member, 'o', id, 1, randomBytes(3000))
  const etags = await Promise.all(
    bodies.map(async (body, i) => String((await part(member, 'o', id, i * 2 + 1, body)).headers.etag)),
  )
  const extra = await part(member, 'o', id, 9, randomBytes(2000))
  const listed = await member.call('GET', '/box/o', { query: { uploadId: id, 'max-parts': '2' } })
  assert.deepEqual(
    [listed.all('PartNumber'), listed.the('IsTruncated'), listed.the('NextPartNumberMarker')],
    [['1', '3'], 'true', '3'],
  )
  const rest = await member.call('GET', '/box/o', { query: { uploadId: id, 'part-number-marker': '3' } })
  assert.deepEqual(rest.all('PartNumber'), ['5', '9'])
  assert.equal((await member.call('GET', '/box/o')).status, 404)
  const wrong = async (parts: [number, string][]) => (await complete(member, 'o', id, parts)).the('Code')
  assert.equal(
    await wrong([
      [3, etags[1]!],
      [1, etags[0]!],
    ]),
    'InvalidPartOrder',
  )
  assert.equal(await wrong([[1, '"else"']]), 'InvalidPart')
  assert.equal(await wrong([[2, etags[0]!]]), 'InvalidPart')
  assert.equal(
    await wrong([
      [5, etags[2]!],
      [9, String(extra.headers.etag)],
    ]),
    'EntityTooSmall',
  )
  assert.equal(await wrong([]), 'MalformedXML')
  const parts: [number, string][] = etags.map((etag, i) => [i * 2 + 1, etag])
  const refused = await complete(member, 'o', id, parts, { 'if-match': '"else"' })
  assert.equal(refused.the('Code'), 'NoSuchKey')
  const done = await complete(member, 'o', id, parts, { 'if-none-match': '*' })
  const etag = `${createHash('md5')
    .update(Buffer.concat(bodies.map(md5)))
    .digest('hex')}-3`
  assert.deepEqual([done.status, done.the('ETag')], [200, `&quot;${etag}&quot;`], done.text)
  assert.equal(
    (await complete(member, 'o', id, parts)).the('ETag'),
    `&quot;${etag}&quot;`,
    'asked again, it says the same',
  )
  const whole = Buffer.concat(bodies)
  const got = await member.call('GET', '/box/o')
  assert.ok(got.bytes.equals(whole))
  assert.deepEqual([got.headers['x-amz-meta-a'], got.headers['content-type']], ['one', 'a/b'])
  const second = await member.call('GET', '/box/o', { query: { partNumber: '2' } })
  assert.deepEqual([second.status, second.headers['x-amz-mp-parts-count']], [206, '3'])
  assert.ok(second.bytes.equals(bodies[1]!))
  const across = await member.call('GET', '/box/o', { headers: { range: `bytes=${5 * mib - 10}-${5 * mib + 9}` } })
  assert.ok(across.bytes.equals(whole.subarray(5 * mib - 10, 5 * mib + 10)))
  const bySwift = await cloud.as('member').head(`${swift}/box/o`)
  assert.deepEqual([bySwift.headers['content-length'], bySwift.headers['etag']], [String(whole.length), etag])
  const box = await cloud.as('member').head(`${swift}/box`)
  assert.equal(box.headers['x-container-bytes-used'], String(whole.length))
  await collectGarbage(world)
  assert.equal(await blobs(), 3)
  assert.equal(await sweepOrphans(world, -1000), 0)
  const shared = await member.call('PUT', '/box/copy', { headers: { 'x-amz-copy-source': '/box/o' } })
  assert.equal(shared.the('ETag'), `&quot;${md5(whole).toString('hex')}&quot;`)
  await member.call('DELETE', '/box/o')
  await member.call('DELETE', '/box/copy')
  await collectGarbage(world)
  assert.equal(await blobs(), 0)
})

test('an upload that is given up, or whose bucket goes, leaves nothing', async (t) => {
  const { member, cloud, blobs, world } = await withBucket(t)
  const id = await begin(member, 'o')
  await part(member, 'o', id, 1, randomBytes(20_000))
  assert.equal(await sweepOrphans(world, -1000), 0, 'the sweeper knows parts')
  await member.call('PUT', '/box/source', { body: randomBytes(30_000) })
  const copied = await member.call('PUT', '/box/o', {
    query: { uploadId: id, partNumber: '2' },
    headers: { 'x-amz-copy-source': '/box/source', 'x-amz-copy-source-range': 'bytes=0-9999' },
  })
  assert.match(copied.the('ETag'), /^&quot;[0-9a-f]{32}&quot;$/)
  const beyond = { 'x-amz-copy-source': '/box/source', 'x-amz-copy-source-range': 'bytes=0-30000' }
  const refused = await member.call('PUT', '/box/o', { query: { uploadId: id, partNumber: '3' }, headers: beyond })
  assert.equal(refused.the('Code'), 'InvalidArgument')
  const abort = () => member.call('DELETE', '/box/o', { query: { uploadId: id } })
  assert.equal((await abort()).status, 204)
  assert.equal((await abort()).the('Code'), 'NoSuchUpload')
  assert.equal((await part(member, 'o', id, 1, randomBytes(20_000))).the('Code'), 'NoSuchUpload')
  const other = await begin(member, 'p')
  await part(member, 'p', other, 1, randomBytes(20_000))
  await member.call('DELETE', '/box/source')
  assert.equal((await member.call('DELETE', '/box')).status, 204)
  await collectGarbage(world)
  assert.equal(await blobs(), 0)
  const [rows] = await cloud.db.rows<{ n: string }>(
    sql`select (select count(*) from object_part) + (select count(*) from object_upload) as n`,
  )
  assert.equal(Number(rows!.n), 0)
})

test('checksums are verified, kept and told: of whole objects, of parts, of what parts make', async (t) => {
  const { member } = await withBucket(t)
  for (const algorithm of ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const) {
    const digest = digestOf(algorithm)
    digest.update(Buffer.from('hello'))
    const value = digest.digest('base64')
    const header = `x-amz-checksum-${algorithm}`
    const put = await member.call('PUT', '/box/o', { body: 'hello', headers: { [header]: value } })
    assert.deepEqual(
      [put.status, put.headers[header], put.headers['x-amz-checksum-type']],
      [200, value, 'FULL_OBJECT'],
      put.text,
    )
    assert.equal((await member.call('GET', '/box/o')).headers[header], undefined)
    const told = await member.call('HEAD', '/box/o', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    assert.equal(told.headers[header], value)
    const wrong = await member.call('PUT', '/box/o', { body: 'hellO', headers: { [header]: value } })
    assert.equal(wrong.the('Code'), 'BadDigest')
    const trailing = { payload: 'unsigned-trailer' as const, trailers: { [header]: value } }
    assert.equal((await member.call('PUT', '/box/o', { body: 'hello', ...trailing })).headers[header], value)
    assert.equal((await member.call('PUT', '/box/o', { body: 'hellO', ...trailing })).the('Code'), 'BadDigest')
  }
  const attributes = await member.call('GET', '/box/o', {
    query: { attributes: '' },
    headers: { 'x-amz-object-attributes': 'ETag,Checksum,ObjectSize' },
  })
  assert.deepEqual([attributes.the('ObjectSize'), attributes.the('ChecksumSHA256') !== ''], ['5', true])
  const bodies = [randomBytes(5 * mib), randomBytes(500)]
  for (const type of ['FULL_OBJECT', 'COMPOSITE'] as const) {
    const id = await begin(member, 'm', { 'x-amz-checksum-algorithm': 'CRC32C', 'x-amz-checksum-type': type })
    const parts: [number, string, string][] = []
    for (const [i, body] of bodies.entries()) {
      const sent = await part(member, 'm', id, i + 1, body)
      parts.push([
        i + 1,
        String(sent.headers.etag),
        `<ChecksumCRC32C>${sent.headers['x-amz-checksum-crc32c']}</ChecksumCRC32C>`,
      ])
    }
    const done = await complete(member, 'm', id, parts)
    const digest = digestOf('crc32c')
    if (type === 'FULL_OBJECT') digest.update(Buffer.concat(bodies))
    else
      digest.update(
        Buffer.concat(
          bodies.map((body) => {
            const each = digestOf('crc32c')
            each.update(body)
            return Buffer.from(each.digest('base64'), 'base64')
          }),
        ),
      )
    const expected = digest.digest('base64') + (type === 'COMPOSITE' ? '-2' : '')
    assert.deepEqual([done.the('ChecksumCRC32C'), done.the('ChecksumType')], [expected, type], done.text)
    const all = await member.call('GET', '/box/m', {
      query: { attributes: '' },
      headers: { 'x-amz-object-attributes': 'ObjectParts,Checksum' },
    })
    assert.deepEqual(all.all('PartNumber'), ['1', '2'])
    assert.equal(all.the('TotalPartsCount'), '2')
  }
  const bad = await member.call('POST', '/box/m', {
    query: { uploads: '' },
    headers: { 'x-amz-checksum-algorithm': 'MD4' },
  })
  assert.equal(bad.the('Code'), 'InvalidRequest')
})
