// The examples of AWS's documentation (docs.aws.amazon.com/AmazonS3/latest/API, "Signature Calculations for the
// Authorization Header", "…Transferring Payload in Multiple Chunks", "Authenticating Requests: Using Query Parameters"),
// then whole requests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nobody } from '#lib/actor.ts'
import { Fault } from '#lib/fault.ts'
import { authenticate, type Signature } from './authenticate.ts'
import { allOf, lent } from '#lib/testing/pieces.ts'
import { dechunk } from './chunked.ts'
import { s3Cloud } from '../testing.ts'

const example = {
  access: 'AKIAIOSFODNN7EXAMPLE',
  secret: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  actor: nobody,
}
const keys = { find: async (access: string) => (access === example.access ? example : undefined) }
const day = Date.UTC(2013, 4, 24)
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const credential = `${example.access}/20130524/us-east-1/s3/aws4_request`
const host = 'examplebucket.s3.amazonaws.com'
type Headers = Record<string, string>
const checked = (method: string, path: string, query: [string, string][], headers: Headers, nowMs = day) =>
  authenticate({ method, path, query, headers: { host, ...headers } }, keys, ['us-east-1'], nowMs)
const signed = (names: string, signature: string) =>
  `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${names},Signature=${signature}`
const code = (expected: string) => (error: unknown) => error instanceof Fault && error.code === expected

const getObject = {
  authorization: signed(
    'host;range;x-amz-content-sha256;x-amz-date',
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ),
  range: 'bytes=0-9',
  'x-amz-content-sha256': empty,
  'x-amz-date': '20130524T000000Z',
}

test("AWS's example of GET Object, with every piece of it changed", async () => {
  const found = await checked('GET', '/test.txt', [], getObject)
  assert.equal(found?.access, example)
  const wrong: [string, Promise<unknown>][] = [
    ['SignatureDoesNotMatch', checked('PUT', '/test.txt', [], getObject)],
    ['SignatureDoesNotMatch', checked('GET', '/test.tx', [], getObject)],
    ['SignatureDoesNotMatch', checked('GET', '/test.txt', [['versionId', '1']], getObject)],
    ['SignatureDoesNotMatch', checked('GET', '/test.txt', [], { ...getObject, range: 'bytes=0-10' })],
    [
      'SignatureDoesNotMatch',
      checked('GET', '/test.txt', [], { ...getObject, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }),
    ],
    ['AccessDenied', checked('GET', '/test.txt', [], { ...getObject, 'x-amz-acl': 'public-read' })],
    ['RequestTimeTooSkewed', checked('GET', '/test.txt', [], getObject, day + 15 * 60_000 + 1)],
    ['RequestTimeTooSkewed', checked('GET', '/test.txt', [], getObject, day - 15 * 60_000 - 1)],
    ['InvalidRequest', checked('GET', '/test.txt', [], { ...getObject, authorization: 'AWS key:signature' })],
    [
      'AuthorizationHeaderMalformed',
      checked('GET', '/', [], { ...getObject, authorization: 'AWS4-HMAC-SHA256 nothing' }),
    ],
  ]
  for (const [expected, promise] of wrong) await assert.rejects(promise, code(expected))
  const elsewhere = { find: async () => undefined }
  await assert.rejects(
    authenticate(
      { method: 'GET', path: '/test.txt', query: [], headers: { host, ...getObject } },
      elsewhere,
      ['us-east-1'],
      day,
    ),
    code('InvalidAccessKeyId'),
  )
  await assert.rejects(
    authenticate(
      { method: 'GET', path: '/test.txt', query: [], headers: { host, ...getObject } },
      keys,
      ['local'],
      day,
    ),
    code('AuthorizationHeaderMalformed'),
  )
})

test("AWS's examples of PUT Object, GET Bucket Lifecycle and GET Bucket (List Objects)", async () => {
  const put = await checked('PUT', '/test%24file.text', [], {
    authorization: signed(
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ),
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
  })
  assert.ok(put)
  const at = { 'x-amz-content-sha256': empty, 'x-amz-date': '20130524T000000Z' }
  const names = 'host;x-amz-content-sha256;x-amz-date'
  const lifecycle = signed(names, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')
  assert.ok(await checked('GET', '/', [['lifecycle', '']], { ...at, authorization: lifecycle }))
  const list = signed(names, '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')
  const pairs: [string, string][] = [
    ['prefix', 'J'],
    ['max-keys', '2'],
  ]
  assert.ok(await checked('GET', '/', pairs, { ...at, authorization: list }))
})

test("AWS's example of a signed URL, and its end", async () => {
  const query: [string, string][] = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', credential],
    ['X-Amz-Date', '20130524T000000Z'],
    ['X-Amz-Expires', '86400'],
    ['X-Amz-SignedHeaders', 'host'],
    ['X-Amz-Signature', 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'],
  ]
  const changed = (name: string, value: string) =>
    query.map((pair): [string, string] => (pair[0] === name ? [name, value] : pair))
  assert.ok(await checked('GET', '/test.txt', query, {}, day + 86_400_000))
  await assert.rejects(checked('GET', '/test.txt', query, {}, day + 86_400_001), code('AccessDenied'))
  await assert.rejects(checked('GET', '/test.txt', query, {}, day - 15 * 60_000 - 1), code('AccessDenied'))
  await assert.rejects(checked('GET', '/test.txt', query, { 'x-amz-acl': 'private' }), code('AccessDenied'))
  const more = changed('X-Amz-Expires', '86401')
  await assert.rejects(checked('GET', '/test.txt', more, {}), code('SignatureDoesNotMatch'))
  const tooLong = changed('X-Amz-Expires', '604801')
  await assert.rejects(checked('GET', '/test.txt', tooLong, {}), code('AuthorizationQueryParametersError'))
  const both = checked('GET', '/test.txt', query, { authorization: getObject.authorization })
  await assert.rejects(both, code('InvalidArgument'))
})

const chunkHeaders = {
  authorization: signed(
    'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
    '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  ),
  'content-encoding': 'aws-chunked',
  'content-length': '66824',
  host: 's3.amazonaws.com',
  'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'x-amz-date': '20130524T000000Z',
  'x-amz-decoded-content-length': '66560',
  'x-amz-storage-class': 'REDUCED_REDUNDANCY',
}
const chunkSignatures = [
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
]
const chunkBody = (fill = 'a') =>
  Buffer.concat([
    Buffer.from(`10000;chunk-signature=${chunkSignatures[0]}\r\n`),
    Buffer.alloc(65_536, fill),
    Buffer.from(`\r\n400;chunk-signature=${chunkSignatures[1]}\r\n`),
    Buffer.alloc(1024, 'a'),
    Buffer.from(`\r\n0;chunk-signature=${chunkSignatures[2]}\r\n\r\n`),
  ])

async function undone(body: Buffer, pieces: number, found: Signature | undefined, trailers = false) {
  const seen: Record<string, string> = {}
  const trailer = (name: string, value: string) => void (seen[name] = value)
  const bytes = await allOf(dechunk(lent(body, pieces), { signed: found, trailers, trailer }))
  return { bytes, seen }
}

test("AWS's example of signed chunks, in pieces of any size, and what is not that", async () => {
  const found = await checked('PUT', '/examplebucket/chunkObject.txt', [], chunkHeaders)
  assert.equal(found?.signature, '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9')
  const body = chunkBody()
  for (const pieces of [7, 1000, 65_536, body.length])
    assert.deepEqual((await undone(body, pieces, found)).bytes, Buffer.alloc(66_560, 'a'))
  await assert.rejects(undone(chunkBody('b'), 5000, found), code('SignatureDoesNotMatch'))
  await assert.rejects(undone(body.subarray(0, -100), 5000, found), code('IncompleteBody'))
  await assert.rejects(undone(Buffer.concat([body, Buffer.from('x')]), 5000, found), code('InvalidRequest'))
  await assert.rejects(undone(Buffer.from('zz\r\n'), 5, found), code('InvalidRequest'))
  await assert.rejects(undone(Buffer.alloc(10_000, 'a'), 500, found), code('InvalidRequest'))
  const unsigned = Buffer.from('5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n')
  const { bytes, seen } = await undone(unsigned, 3, undefined, true)
  assert.deepEqual([bytes.toString(), seen], ['hello', { 'x-amz-checksum-crc32': 'NhCmhg==' }])
})

test('keys are those of identity, and are worth nothing the moment their user, project or role is', async (t) => {
  const { cloud, s3 } = await s3Cloud(t)
  const member = await s3('member')
  const admin = cloud.as('admin')
  const { userId } = cloud.as('member')
  const list = () => member.call('GET', '/')
  const off = async (who: 'member' | 'other', path: string, name: string) => {
    const keyed = who === 'member' ? member : await s3(who)
    assert.equal((await keyed.call('GET', '/')).status, 200)
    assert.equal((await admin.patch(path, { [name]: { enabled: false } })).status, 200)
    const refused = await keyed.call('GET', '/')
    assert.deepEqual([refused.status, refused.the('Code')], [403, 'InvalidAccessKeyId'])
    assert.equal((await admin.patch(path, { [name]: { enabled: true } })).status, 200)
    assert.equal((await keyed.call('GET', '/')).status, 200)
  }
  await off('member', `/identity/v3/users/${userId}`, 'user')
  await off('other', `/identity/v3/projects/${cloud.as('other').projectId}`, 'project')
  const gone = await admin.delete(`/identity/v3/users/${userId}/credentials/OS-EC2/${member.keys!.access}`)
  assert.equal(gone.status, 204)
  assert.equal((await list()).the('Code'), 'InvalidAccessKeyId')
  assert.equal((await (await s3('reader')).call('PUT', '/new-bucket')).the('Code'), 'AccessDenied')
})

test('a request signed for the default region is taken, one for another is told where it is', async (t) => {
  const { s3 } = await s3Cloud(t)
  const member = await s3('member')
  assert.equal((await member.call('GET', '/', { region: 'us-east-1' })).status, 200)
  const other = await member.call('GET', '/', { region: 'eu-central-1' })
  assert.deepEqual(
    [other.status, other.the('Code'), other.the('Region')],
    [400, 'AuthorizationHeaderMalformed', 'local'],
  )
})
