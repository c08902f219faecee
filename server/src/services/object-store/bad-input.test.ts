// Every operation of both APIs with what nobody should send: odd values in headers, queries, names and documents. The
// generator is bounded and always the same; whatever comes is answered, by what is the client's own fault and never a 500.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { operations } from './s3/operations.ts'
import { s3Cloud } from './s3/testing.ts'

const perS3Operation = 14
const perSwiftRequest = 60
const patienceMs = 30_000

interface Dice {
  (below: number): number
  of<T>(all: readonly T[]): T
}
/** Numbers that are as good as random, and the same in every run (a linear congruential generator, its high bits). */
function dice(seed: number): Dice {
  let state = seed >>> 0
  const roll = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Object.assign(roll, { of: <T>(all: readonly T[]) => all[roll(all.length)]! })
}

const oddValues = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    '1',
    '1000000',
    '1e999',
    '99999999999999999999',
    '9007199254740993',
    'NaN',
    'null',
    'true',
    'x',
  ],
  ...[
    '%',
    '%zz',
    '%00',
    '%ff',
    '+',
    'a b',
    '..',
    '../../etc/passwd',
    '/',
    '//',
    '?',
    '#',
    '*',
    "'",
    '"',
    '\\',
    '<a/>',
    '&',
  ],
  ...['{"a":1}', '[]', '{', 'bytes=5-1', 'bytes=-0', 'bytes=0-,1-2,-5', 'bytes=a-b', 'bytes=99999999999999999999-'],
  ...[
    '2030-13-45T99:99:99Z',
    '9999-12-31T23:59:59Z',
    'Thu, 01 Jan 1970 00:00:00 GMT',
    '1700000000',
    '-1700000000',
    'now',
  ],
  ...[
    'AES256',
    'aws:kms',
    'GOVERNANCE',
    'STANDARD',
    'Enabled',
    'private',
    'COPY',
    'AAAA',
    '====',
    'd41d8cd98f00b204e9800998ecf8427e',
  ],
  ...[
    'box/o',
    '/box/o',
    'nowhere/o',
    'box/',
    'box/o?versionId=x',
    'AUTH_x',
    '.r:*',
    '.rlistings,*:*',
    'application/xml',
  ],
  ...['a'.repeat(300), 'b'.repeat(3000), 'k=v&k=v', '=', 'grün', '😀', '\u0000', '\ud800', '\ufffe', '\u202e'],
]
// what HTTP lets through
const headerValues = oddValues.filter((value) => /^[\t\x20-\x7e\x80-\xff]*$/.test(value))

const s3Headers = [
  ...['content-type', 'content-md5', 'content-encoding', 'content-disposition', 'content-language', 'cache-control'],
  ...['expires', 'range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'origin'],
  ...['access-control-request-method', 'access-control-request-headers', 'x-amz-acl', 'x-amz-grant-read'],
  ...['x-amz-grant-full-control', 'x-amz-storage-class', 'x-amz-tagging', 'x-amz-tagging-directive'],
  ...['x-amz-metadata-directive', 'x-amz-copy-source', 'x-amz-copy-source-range', 'x-amz-copy-source-if-match'],
  ...[
    'x-amz-copy-source-if-modified-since',
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-aws-kms-key-id',
  ],
  ...['x-amz-server-side-encryption-context', 'x-amz-server-side-encryption-bucket-key-enabled'],
  ...['x-amz-server-side-encryption-customer-algorithm', 'x-amz-server-side-encryption-customer-key'],
  ...['x-amz-server-side-encryption-customer-key-md5', 'x-amz-copy-source-server-side-encryption-customer-key'],
  ...['x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date', 'x-amz-object-lock-legal-hold'],
  ...['x-amz-bypass-governance-retention', 'x-amz-bucket-object-lock-enabled', 'x-amz-object-ownership'],
  ...['x-amz-checksum-algorithm', 'x-amz-sdk-checksum-algorithm', 'x-amz-checksum-crc32', 'x-amz-checksum-crc64nvme'],
  ...[
    'x-amz-checksum-sha256',
    'x-amz-checksum-type',
    'x-amz-checksum-mode',
    'x-amz-mp-object-size',
    'x-amz-object-attributes',
  ],
  ...['x-amz-max-parts', 'x-amz-part-number-marker', 'x-amz-meta-a', 'x-amz-website-redirect-location', 'x-amz-mfa'],
  ...[
    'x-amz-expected-bucket-owner',
    'x-amz-request-payer',
    'x-amz-optional-object-attributes',
    'x-amz-decoded-content-length',
  ],
]
const s3Queries = [
  ...['list-type', 'prefix', 'delimiter', 'marker', 'max-keys', 'start-after', 'continuation-token', 'encoding-type'],
  ...['fetch-owner', 'key-marker', 'version-id-marker', 'upload-id-marker', 'max-uploads', 'versionId', 'partNumber'],
  ...['uploadId', 'max-parts', 'part-number-marker', 'response-content-type', 'response-expires', 'max-buckets'],
  ...['bucket-region', 'x-id', 'acl', 'tagging', 'versions', 'uploads', 'policy', 'torrent', 'select', 'X-Amz-Expires'],
]

// of each kind of document one that is right, to be made wrong
const documents = [
  '<CreateBucketConfiguration><LocationConstraint>local</LocationConstraint></CreateBucketConfiguration>',
  '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
  '<Delete><Quiet>false</Quiet><Object><Key>o</Key><VersionId>null</VersionId></Object></Delete>',
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag><ChecksumCRC32>AAAA</ChecksumCRC32></Part></CompleteMultipartUpload>',
  '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>',
  '<LifecycleConfiguration><Rule><ID>r</ID><Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration><Transition><Date>2030-01-01T00:00:00Z</Date><StorageClass>STANDARD</StorageClass></Transition></Rule></LifecycleConfiguration>',
  '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>x</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>',
  '<AccessControlPolicy><Owner><ID>x</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>x</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>',
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
  '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>',
  '<LegalHold><Status>ON</Status></LegalHold>',
  '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key>e</Key></ErrorDocument><RoutingRules><RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><ReplaceKeyWith>x</ReplaceKeyWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>',
  '<NotificationConfiguration><TopicConfiguration><Id>n</Id><Topic>https://example.org/x</Topic><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule></S3Key></Filter></TopicConfiguration></NotificationConfiguration>',
  '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>',
  '{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::box/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}]}',
]
const hopeless = [
  ...['', '<', '<a>', '<?xml version="1.0"?>', '\u0000', 'null', '[]', '{}', '{"Statement":{}}', '"x"', '<a/><b/>'],
  '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><Tagging><TagSet>&c;</TagSet></Tagging>',
  '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&b;</Key></Object></Delete>',
  '<a>'.repeat(20_000),
  '['.repeat(20_000),
  `<Tagging>${'<TagSet/>'.repeat(5000)}</Tagging>`,
]

/** One thing in it is wrong now: a text, a name, an element too few or too many, or its end. */
function spoil(document: string, roll: Dice): string {
  if (document.startsWith('{'))
    return document.replaceAll(/"[^"]*"/g, (text) => (roll(6) === 0 ? JSON.stringify(roll.of(oddValues)) : text))
  const elements = [...document.matchAll(/<(\w+)>([^<]*)<\/\1>/g)]
  const [whole, name, text] = roll.of(elements) as unknown as [string, string, string]
  const value = roll.of(oddValues).replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  switch (roll(7)) {
    case 0:
      return document.replace(whole, '')
    case 1:
      return document.replace(whole, whole + whole)
    case 2:
      return document.replace(whole, whole.replaceAll(name, 'Odd'))
    case 3:
      return document.slice(0, roll(document.length))
    case 4:
      return document.replace(whole, `<${name}><${name}>${text}</${name}></${name}>`)
    default:
      return document.replace(whole, `<${name}>${value}</${name}>`)
  }
}

function pick(roll: Dice, names: readonly string[], values: readonly string[], most: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: roll(most + 1) }, () => [roll.of(names), roll.of(values)]))
}

async function store(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-bad-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  return s3Cloud(t, { data, logLevel: 'error' })
}

/** What is wrong with an answer; nothing with one that blames the client, or does what it asked for. */
function wrong(status: number | 'none'): boolean {
  return status === 'none' || (status >= 500 && status !== 501)
}

async function within<T>(ask: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((done) => (timer = setTimeout(() => done(undefined), patienceMs)))
  try {
    return await Promise.race([ask, late])
  } finally {
    clearTimeout(timer)
  }
}

test('S3: no operation answers nonsense with a 500, or not at all', { timeout: 600_000 }, async (t) => {
  const { s3 } = await store(t)
  const member = await s3('member')
  const failed: unknown[] = []
  const statuses = new Set<number | 'none'>()
  for (const [n, { name, level, method, query, header }] of operations.entries()) {
    const roll = dice(n + 1)
    const box = `/box-${n}`
    assert.equal((await member.call('PUT', box)).status, 200)
    await member.call('PUT', `${box}/o`, { body: 'x' })
    const path = { service: '/', account: box, bucket: box, object: `${box}/o` }[level]
    for (let turn = 0; turn < perS3Operation; turn++) {
      const asked = {
        query: {
          ...(query !== undefined && { [query]: roll(2) === 0 ? '' : roll.of(oddValues) }),
          ...pick(roll, s3Queries, oddValues, turn % 2 === 0 ? 1 : 3),
        },
        headers: {
          ...(header !== undefined && { [header]: roll(2) === 0 ? `${box}/o` : roll.of(headerValues) }),
          ...pick(roll, s3Headers, headerValues, 3),
        },
        ...(method !== 'GET' &&
          method !== 'HEAD' && { body: roll(4) === 0 ? roll.of(hopeless) : spoil(roll.of(documents), roll) }),
      }
      const at = level === 'object' && roll(5) === 0 ? `${box}/${roll.of(oddValues.slice(13))}` : path
      // text that UTF-8 has no bytes for cannot be sent
      if (!(at + JSON.stringify(asked)).isWellFormed() || JSON.stringify(asked).includes('\\ud800')) continue
      const reply = await within(member.call(method, at, asked).catch(() => undefined))
      const status = reply?.status ?? 'none'
      statuses.add(status)
      if (wrong(status)) failed.push({ name, method, at, ...asked, status, text: reply?.text })
    }
  }
  assert.deepEqual(failed, [])
  for (const status of [200, 400, 404]) assert.ok(statuses.has(status), `some are answered with ${status}`)
  assert.equal((await member.call('PUT', '/after/o', { body: 'x' })).status, 404)
  assert.equal((await member.call('GET', '/')).status, 200)
})

const swiftHeaders = [
  ...['content-type', 'content-encoding', 'content-disposition', 'etag', 'range', 'if-match', 'if-none-match'],
  ...['if-modified-since', 'if-unmodified-since', 'origin', 'access-control-request-method', 'accept', 'destination'],
  ...[
    'destination-account',
    'x-copy-from',
    'x-copy-from-account',
    'x-fresh-metadata',
    'x-object-manifest',
    'x-symlink-target',
  ],
  ...[
    'x-symlink-target-account',
    'x-symlink-target-etag',
    'x-delete-at',
    'x-delete-after',
    'x-object-meta-a',
    'x-container-meta-a',
  ],
  ...['x-account-meta-a', 'x-remove-container-meta-a', 'x-container-read', 'x-container-write', 'x-versions-enabled'],
  ...['x-versions-location', 'x-history-location', 'x-storage-policy', 'x-container-meta-quota-bytes'],
  ...[
    'x-container-meta-quota-count',
    'x-account-meta-quota-bytes',
    'x-container-meta-temp-url-key',
    'x-container-meta-web-index',
  ],
  ...[
    'x-container-meta-access-control-allow-origin',
    'x-container-meta-access-control-max-age',
    'x-newest',
    'x-timestamp',
  ],
  ...['x-trans-id-extra', 'x-detect-content-type'],
]
const swiftQueries = [
  ...[
    'format',
    'limit',
    'marker',
    'end_marker',
    'prefix',
    'delimiter',
    'path',
    'reverse',
    'multipart-manifest',
    'part-number',
  ],
  ...['extract-archive', 'bulk-delete', 'versions', 'version-id', 'version_marker', 'temp_url_sig', 'temp_url_expires'],
  ...[
    'temp_url_prefix',
    'temp_url_ip_range',
    'filename',
    'inline',
    'heartbeat',
    'symlink',
    'ignore-etag',
    'async',
    'states',
  ],
]
const swiftBodies = [
  ...['', 'x', '[]', '{}', 'null', '[null]', '[{}]', '[{"path":5}]', '[{"path":"/box/o","etag":1,"size_bytes":"x"}]'],
  ...['[{"path":"/box/o","range":"5-1"}]', '[{"data":"!!"}]', '[{"path":"box"}]', '[{"path":"/nowhere/o"}]', '[[]]'],
  ...['[{"path":"/box/o","size_bytes":1e400}]', 'box/o\nbox/%00\n%zz\n\n/\nnowhere', '\u001f\u008b\u0008garbage'],
  ...['['.repeat(20_000), 'a'.repeat(20_000)],
]

test('Swift: no request of nonsense is answered with a 500, or not at all', { timeout: 600_000 }, async (t) => {
  const { cloud } = await store(t)
  await cloud.app.server.listen({ host: '127.0.0.1', port: 0 })
  const { port } = cloud.app.server.server.address() as AddressInfo
  const { token, projectId } = cloud.as('member')
  const account = `/object-store/v1/AUTH_${projectId}`
  const ask = async (method: string, path: string, headers: Record<string, string>, body?: string) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = request({
      ...{ host: '127.0.0.1', port, method, path, agent: false },
      headers: { 'x-auth-token': token, ...headers, ...length },
    })
    outgoing.on('error', () => {})
    outgoing.end(body)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    incoming.setEncoding('utf8')
    let text = ''
    for await (const piece of incoming) text += String(piece)
    return { status: incoming.statusCode ?? 0, text }
  }
  const failed: unknown[] = []
  const statuses = new Set<number | 'none'>()
  const levels = { account: '', container: '/box', object: '/box/o' }
  for (const [n, method] of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'COPY', 'OPTIONS'].entries())
    for (const [level, at] of Object.entries(levels)) {
      const roll = dice(1000 * n + level.length)
      for (let turn = 0; turn < perSwiftRequest; turn++) {
        if (turn % 10 === 0) {
          await ask('PUT', `${account}/box`, {}, '')
          await ask('PUT', `${account}/box/o`, {}, 'x')
        }
        const query = Object.entries(pick(roll, swiftQueries, oddValues, 3))
          .map(([name, value]) =>
            value.isWellFormed() && roll(5) > 0 ? `${name}=${encodeURIComponent(value)}` : `${name}=%zz`,
          )
          .join('&')
        const headers = pick(roll, swiftHeaders, headerValues, 3)
        const body = method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? undefined : roll.of(swiftBodies)
        const odd = roll.of(oddValues)
        const name = level === 'object' && roll(4) === 0 && odd.isWellFormed() ? `/box/${encodeURIComponent(odd)}` : at
        const path = `${account}${name}${query && `?${query}`}`
        const reply = await within(ask(method, path, headers, body).catch(() => undefined))
        const status = reply?.status ?? 'none'
        statuses.add(status)
        if (wrong(status)) failed.push({ method, path, headers, body, status, text: reply?.text.slice(0, 300) })
        // what is said within a 200 of many operations
        if (reply && /500 Internal/.test(reply.text)) failed.push({ method, path, headers, body, text: reply.text })
      }
    }
  assert.deepEqual(failed, [])
  for (const status of [200, 201, 204, 400, 404, 412])
    assert.ok(statuses.has(status), `some are answered with ${status}`)
  assert.ok((await ask('PUT', `${account}/box`, {}, '')).status < 300)
})
