// Objects through S3's API, and the same through Swift's.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { type S3Client, s3Cloud } from '../testing.ts'

const team = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const swift = `/object-store/v1/AUTH_${team}`
const md5 = (data: string | Buffer) => createHash('md5').update(data).digest('hex')

async function withBucket(t: TestContext) {
  const all = await s3Cloud(t)
  const member = await all.s3('member')
  assert.equal((await member.call('PUT', '/box')).status, 200)
  return { ...all, member }
}
const codeOf = async (promise: ReturnType<S3Client['call']>) => {
  const { status, the } = await promise
  return `${status} ${the('Code')}`
}

test('a bucket: made, listed, found, emptied and removed', async (t) => {
  const { member, s3 } = await withBucket(t)
  assert.equal(await codeOf(member.call('PUT', '/box')), '409 BucketAlreadyOwnedByYou')
  assert.equal(await codeOf(member.call('PUT', '/Bad_Name')), '400 InvalidBucketName')
  assert.equal(
    await codeOf(
      member.call('PUT', '/elsewhere', {
        body: '<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>',
      }),
    ),
    '400 InvalidLocationConstraint',
  )
  const list = await member.call('GET', '/')
  assert.deepEqual(list.all('Name'), ['box'])
  assert.match(
    list.text,
    /^<\?xml version="1.0" encoding="UTF-8"\?>\n<ListAllMyBucketsResult xmlns="http:\/\/s3.amazonaws.com\/doc\/2006-03-01\/">/,
  )
  assert.deepEqual((await (await s3('other')).call('GET', '/')).all('Name'), [])
  assert.equal((await member.call('HEAD', '/box')).headers['x-amz-bucket-region'], 'local')
  assert.match((await member.call('GET', '/box', { query: { location: '' } })).text, />local<\/LocationConstraint>$/)
  await member.call('PUT', '/box/o', { body: 'x' })
  assert.equal(await codeOf(member.call('DELETE', '/box')), '409 BucketNotEmpty')
  assert.equal((await member.call('DELETE', '/box/o')).status, 204)
  assert.equal((await member.call('DELETE', '/box/o')).status, 204)
  assert.equal((await member.call('DELETE', '/box')).status, 204)
  assert.equal(await codeOf(member.call('GET', '/box')), '404 NoSuchBucket')
  assert.equal(await codeOf(member.call('GET', '/', { query: { acl: '' } })), '501 NotImplemented')
  assert.equal(await codeOf(member.call('POST', '/')), '405 MethodNotAllowed')
})

test('an object: put, get, head, metadata beyond ASCII, overrides; in both styles of address', async (t) => {
  const { member, cloud, port } = await withBucket(t)
  const headers = {
    'content-type': 'text/x-mine',
    'cache-control': 'no-cache',
    'content-encoding': 'aws-chunked,odd',
    'x-amz-meta-colour': '=?UTF-8?Q?gr=C3=BCn?=',
    'x-amz-meta-Plain': 'two  words',
  }
  const put = await member.call('PUT', '/box/a b/ä+%', { body: 'hello', headers })
  assert.deepEqual([put.status, put.headers.etag], [200, `"${md5('hello')}"`], put.text)
  assert.match(String(put.headers['x-amz-request-id']), /^[0-9A-F]{16}$/)
  const got = await member.call('GET', '/a b/ä+%', { host: `box.localhost:${port}` })
  assert.equal(got.text, 'hello')
  assert.equal(got.headers['x-amz-meta-colour'], `=?UTF-8?B?${Buffer.from('grün').toString('base64')}?=`)
  assert.equal(got.headers['x-amz-meta-plain'], 'two  words')
  assert.deepEqual([got.headers['content-encoding'], got.headers['cache-control']], ['odd', 'no-cache'])
  const head = await member.call('HEAD', '/box/a b/ä+%', { query: { 'response-content-type': 'a/b' } })
  assert.deepEqual(
    [head.status, head.headers['content-length'], head.headers['content-type'], head.text],
    [200, '5', 'a/b', ''],
  )
  // the same object by Swift
  const bySwift = await cloud.as('member').get(`${swift}/box/a%20b/%C3%A4%2B%25`)
  assert.deepEqual(
    [bySwift.text, bySwift.headers['x-object-meta-plain'], bySwift.headers['etag']],
    ['hello', 'two  words', md5('hello')],
  )
  await cloud
    .as('member')
    .put(`${swift}/box/other`, undefined, { raw: 'by swift', headers: { 'x-object-meta-who': 'swift' } })
  const byS3 = await member.call('GET', '/box/other')
  assert.deepEqual(
    [byS3.text, byS3.headers['x-amz-meta-who'], byS3.headers.etag],
    ['by swift', 'swift', `"${md5('by swift')}"`],
  )
  assert.equal(await codeOf(member.call('GET', '/box/nothing')), '404 NoSuchKey')
  assert.equal(await codeOf(member.call('PUT', `/box/${'k'.repeat(1025)}`, { body: 'x' })), '400 KeyTooLongError')
  assert.equal(
    await codeOf(member.call('PUT', '/box/big-meta', { headers: { 'x-amz-meta-a': 'v'.repeat(2100) } })),
    '400 MetadataTooLarge',
  )
})

test('bytes are held to what was signed and said of them; nothing of others is kept', async (t) => {
  const { member, s3 } = await withBucket(t)
  const body = randomBytes(100_000)
  for (const payload of ['hash', 'unsigned', 'chunks', 'chunks-trailer', 'unsigned-trailer'] as const) {
    const trailers = payload.includes('trailer')
      ? { trailers: { 'x-amz-checksum-sha256': createHash('sha256').update(body).digest('base64') } }
      : {}
    const put = await member.call('PUT', '/box/o', { body, payload, ...trailers })
    assert.equal(put.status, 200, `${payload}: ${put.text}`)
    assert.deepEqual((await member.call('GET', '/box/o')).bytes, body)
    await member.call('DELETE', '/box/o')
    const changed = (sent: { body: Buffer }) => void (sent.body[50_000]! ^= 1)
    const other = await member.call('PUT', '/box/o', { body, payload, ...trailers, tamper: changed })
    if (payload === 'unsigned') assert.equal(other.status, 200)
    else assert.ok([400, 403].includes(other.status), `${payload}: ${other.status} ${other.text}`)
    if (payload !== 'unsigned') assert.equal(await codeOf(member.call('GET', '/box/o')), '404 NoSuchKey')
  }
  const wrong = { headers: { 'content-md5': createHash('md5').update('y').digest('base64') }, body: 'x' }
  assert.equal(await codeOf(member.call('PUT', '/box/o2', wrong)), '400 BadDigest')
  assert.equal(
    await codeOf(member.call('PUT', '/box/o2', { headers: { 'content-md5': 'no' }, body: 'x' })),
    '400 InvalidDigest',
  )
  assert.equal(await codeOf(member.call('GET', '/box/o2')), '404 NoSuchKey')
  const moved = await member.call('PUT', '/box/o2', { body: 'x', tamper: (sent) => void (sent.path = '/box/o3') })
  assert.equal(moved.the('Code'), 'SignatureDoesNotMatch')
  const waited = await member.call('PUT', '/box/waits', { body: 'told to go on', headers: { expect: '100-continue' } })
  assert.equal(waited.status, 200)
  assert.equal((await member.presigned('GET', '/box/waits')).text, 'told to go on')
  assert.equal((await member.presigned('PUT', '/box/by url', { body: 'signed' })).status, 200)
  const late = await member.presigned('GET', '/box/waits', { at: new Date(Date.now() - 120_000) })
  assert.deepEqual([late.status, late.the('Message')], [403, 'Request has expired'])
  assert.equal(await codeOf((await s3('anonymous')).call('GET', '/box/waits')), '403 AccessDenied')
})

test('ranges and conditions', async (t) => {
  const { member } = await withBucket(t)
  const put = await member.call('PUT', '/box/o', { body: '0123456789' })
  const get = (headers: Record<string, string>) => member.call('GET', '/box/o', { headers })
  const part = await get({ range: 'bytes=2-4' })
  assert.deepEqual([part.status, part.text, part.headers['content-range']], [206, '234', 'bytes 2-4/10'])
  assert.equal((await get({ range: 'bytes=-3' })).text, '789')
  assert.equal((await get({ range: 'bytes=0-1,4-5' })).text, '0123456789')
  assert.equal(await codeOf(get({ range: 'bytes=10-' })), '416 InvalidRange')
  assert.equal((await member.call('GET', '/box/o', { query: { partNumber: '1' } })).text, '0123456789')
  assert.equal(await codeOf(member.call('GET', '/box/o', { query: { partNumber: '2' } })), '416 InvalidPartNumber')
  const etag = String(put.headers.etag)
  const unchanged = await get({ 'if-none-match': etag })
  assert.deepEqual([unchanged.status, unchanged.headers.etag, unchanged.text], [304, etag, ''])
  assert.equal((await get({ 'if-match': '"else"' })).status, 412)
  assert.equal((await get({ 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).status, 412)
  const write = (headers: Record<string, string>, key = 'o') =>
    codeOf(member.call('PUT', `/box/${key}`, { body: 'new', headers }))
  assert.equal(await write({ 'if-none-match': '*' }), '412 PreconditionFailed')
  assert.equal(await write({ 'if-match': '"else"' }), '412 PreconditionFailed')
  assert.equal(await write({ 'if-match': '"else"' }, 'nothing'), '404 NoSuchKey')
  assert.equal(await write({ 'if-match': etag }), '200 ')
  assert.equal(await write({ 'if-none-match': '*' }, 'fresh'), '200 ')
  const racing = await Promise.all(Array.from({ length: 8 }, () => write({ 'if-none-match': '*' }, 'race')))
  assert.equal(racing.filter((each) => each === '200 ').length, 1)
})

test('lists: pages, folders, markers, tokens, encoding', async (t) => {
  const { member } = await withBucket(t)
  for (const name of ['a', 'b/1', 'b/2', 'b/c/3', 'd e', 'z&<']) await member.call('PUT', `/box/${name}`, { body: 'x' })
  const v1 = (query: Record<string, string>) => member.call('GET', '/box', { query })
  const v2 = (query: Record<string, string>) => v1({ 'list-type': '2', ...query })
  assert.deepEqual((await v1({})).all('Key'), ['a', 'b/1', 'b/2', 'b/c/3', 'd e', 'z&amp;&lt;'])
  const folders = await v1({ delimiter: '/', 'max-keys': '2' })
  assert.deepEqual([folders.all('Key'), folders.the('IsTruncated'), folders.the('NextMarker')], [['a'], 'true', 'b/'])
  assert.match(folders.text, /<CommonPrefixes><Prefix>b\/<\/Prefix><\/CommonPrefixes>/)
  assert.deepEqual((await v1({ delimiter: '/', marker: 'b/' })).all('Key'), ['d e', 'z&amp;&lt;'])
  const seen: string[] = []
  let token = ''
  for (let page = 0; page < 10; page++) {
    const reply = await v2({ 'max-keys': '2', ...(token !== '' && { 'continuation-token': token }) })
    seen.push(...reply.all('Key'))
    assert.equal(reply.the('KeyCount'), String(reply.all('Key').length))
    token = reply.the('NextContinuationToken')
    if (token === '') break
  }
  assert.deepEqual(seen, ['a', 'b/1', 'b/2', 'b/c/3', 'd e', 'z&amp;&lt;'])
  assert.deepEqual((await v2({ prefix: 'b/', delimiter: '/' })).all('Key'), ['b/1', 'b/2'])
  assert.deepEqual((await v2({ 'start-after': 'b/c/3', 'encoding-type': 'url' })).all('Key'), ['d%20e', 'z%26%3C'])
  assert.equal((await v2({ 'fetch-owner': 'true' })).the('ID'), team)
  assert.equal((await v2({})).the('ID'), '')
  assert.deepEqual((await v2({ 'max-keys': '0' })).all('Key'), [])
  assert.equal(await codeOf(v2({ 'max-keys': 'x' })), '400 InvalidArgument')
  assert.equal(await codeOf(v2({ 'continuation-token': 'x' })), '400 InvalidArgument')
  assert.equal(await codeOf(v1({ 'encoding-type': 'x' })), '400 InvalidArgument')
})

test('many are deleted in one request, and what is no such document is refused', async (t) => {
  const { member } = await withBucket(t)
  for (const name of ['a', 'b&c', ' d ']) await member.call('PUT', `/box/${name}`, { body: 'x' })
  const del = (body: string) => member.call('POST', '/box', { query: { delete: '' }, body })
  const gone = await del(
    '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object><Object><Key> d </Key></Object><Object><Key>none</Key></Object></Delete>',
  )
  assert.deepEqual(gone.all('Key'), ['a', 'b&amp;c', ' d ', 'none'])
  assert.deepEqual((await member.call('GET', '/box')).all('Key'), [])
  assert.equal(await codeOf(del('<Delete></Delete>')), '400 MalformedXML')
  assert.equal(await codeOf(del('<Delete><Object>')), '400 MalformedXML')
  assert.equal(await codeOf(del('')), '400 MissingRequestBodyError')
  const bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>'
  assert.equal(await codeOf(del(bomb)), '400 MalformedXML')
  assert.equal(
    await codeOf(del(`<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`)),
    '400 MalformedXML',
  )
})

test('copies: with their metadata or new, by condition, of ranges of what Swift made', async (t) => {
  const { member, cloud } = await withBucket(t)
  const body = randomBytes(60_000)
  const put = await member.call('PUT', '/box/o', { body, headers: { 'x-amz-meta-a': 'one', 'content-type': 'a/b' } })
  const copy = (to: string, headers: Record<string, string> = {}, source = '/box/o') =>
    member.call('PUT', `/box/${to}`, { headers: { 'x-amz-copy-source': source, ...headers } })
  const made = await copy('copy')
  assert.deepEqual([made.status, made.the('ETag')], [200, `&quot;${md5(body)}&quot;`], made.text)
  const got = await member.call('GET', '/box/copy')
  assert.deepEqual([got.bytes, got.headers['x-amz-meta-a'], got.headers['content-type']], [body, 'one', 'a/b'])
  await copy('new', { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-b': 'two' })
  const fresh = await member.call('HEAD', '/box/new')
  assert.deepEqual([fresh.headers['x-amz-meta-a'], fresh.headers['x-amz-meta-b']], [undefined, 'two'])
  assert.equal(await codeOf(copy('o')), '400 InvalidRequest')
  assert.equal(await codeOf(copy('x', {}, '/box/none')), '404 NoSuchKey')
  assert.equal(await codeOf(copy('x', {}, '/nobox/o')), '404 NoSuchBucket')
  assert.equal(
    await codeOf(copy('x', { 'x-amz-copy-source-if-none-match': String(put.headers.etag) })),
    '412 PreconditionFailed',
  )
  assert.equal(await codeOf(copy('x', { 'x-amz-copy-source-if-match': '"else"' })), '412 PreconditionFailed')
  // large objects of Swift are read whole, by a copy too
  const owner = cloud.as('member')
  for (const [i, raw] of ['first ', 'second'].entries()) await owner.put(`${swift}/box/seg/${i}`, undefined, { raw })
  const manifest = [0, 1].map((i) => ({ path: `/box/seg/${i}` }))
  await owner.put(`${swift}/box/slo?multipart-manifest=put`, manifest)
  await owner.put(`${swift}/box/dlo`, undefined, { raw: ' ', headers: { 'x-object-manifest': 'box/seg/' } })
  const slo = await member.call('GET', '/box/slo')
  assert.deepEqual([slo.text, slo.headers['content-length']], ['first second', '12'])
  assert.match(String(slo.headers.etag), /^"[0-9a-f]{32}-2"$/)
  assert.equal(
    (await member.call('GET', '/box', { query: { prefix: 'slo' } })).the('ETag'),
    String(slo.headers.etag).replaceAll('"', '&quot;'),
  )
  assert.equal((await member.call('GET', '/box/dlo', { headers: { range: 'bytes=4-8' } })).text, 't sec')
  assert.equal((await copy('whole', {}, '/box/slo')).the('ETag'), `&quot;${md5('first second')}&quot;`)
  await owner.put(`${swift}/box/link`, undefined, {
    headers: { 'x-symlink-target': 'box/whole', 'content-length': '0' },
  })
  assert.equal((await member.call('GET', '/box/link')).text, 'first second')
})

test('quotas of the container and the account hold for S3 too', async (t) => {
  const { member, cloud } = await withBucket(t)
  const set = await cloud
    .as('member')
    .call('POST', `${swift}/box`, undefined, { headers: { 'x-container-meta-quota-bytes': '10' } })
  assert.equal(set.status, 204)
  assert.equal((await member.call('PUT', '/box/o', { body: '0123456789' })).status, 200)
  assert.equal(await codeOf(member.call('PUT', '/box/p', { body: 'x' })), '403 QuotaExceeded')
  assert.equal((await member.call('PUT', '/box/o', { body: 'smaller' })).status, 200)
  assert.equal(await codeOf(member.call('PUT', '/box/p', { body: 'four', payload: 'chunks' })), '403 QuotaExceeded')
})
