import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'

const team = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const account = `/object-store/v1/AUTH_${team}`
const md5 = (data: string | Buffer) => createHash('md5').update(data).digest('hex')

async function withBox(t: Parameters<typeof testCloud>[0], headers: Record<string, string> = {}) {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  assert.equal((await member.put(`${account}/box`, undefined, { headers })).status, 201)
  return { cloud, member, at: `${account}/box` }
}
const put = (cloud: TestCloud, path: string, raw: string | Buffer, headers: Record<string, string> = {}) =>
  cloud.as('member').put(path, undefined, {
    raw,
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(raw.length), ...headers },
  })

test('an object: put, get, head, post, delete', async (t) => {
  const { cloud, member, at } = await withBox(t)
  const made = await put(cloud, `${at}/a%2Fb//c%20d`, 'hello', {
    'x-object-meta-colour': 'grün',
    'content-type': 'text/x-mine',
    'content-encoding': 'odd',
  })
  assert.equal(made.status, 201, made.text)
  assert.equal(made.headers['etag'], md5('hello'))
  assert.match(made.headers['x-trans-id']!, /^tx[0-9a-f]{21}-[0-9a-f]{10}$/)
  const got = await member.get(`${at}/a/b//c%20d`)
  assert.equal(got.text, 'hello')
  assert.equal(got.headers['content-type'], 'text/x-mine')
  assert.equal(got.headers['content-length'], '5')
  assert.equal(got.headers['content-encoding'], 'odd')
  assert.match(got.headers['x-timestamp']!, /^\d+\.\d{5}$/)
  const head = await member.head(`${at}/a/b//c%20d`)
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], '5')
  assert.equal((await member.get(`${at}/a/b/c%20d`)).status, 404)
  const changed = await member.call('POST', `${at}/a/b//c%20d`, undefined, { headers: { 'x-object-meta-size': 'big' } })
  assert.equal(changed.status, 202)
  const after = await member.head(`${at}/a/b//c%20d`)
  assert.equal(after.headers['x-object-meta-size'], 'big')
  assert.equal(after.headers['x-object-meta-colour'], undefined)
  assert.equal(after.headers['content-encoding'], undefined)
  assert.equal(after.headers['content-type'], 'text/x-mine')
  assert.equal((await member.delete(at)).status, 409)
  assert.equal((await member.delete(`${at}/a/b//c%20d`)).status, 204)
  assert.equal((await member.delete(`${at}/a/b//c%20d`)).status, 404)
  assert.equal((await member.delete(at)).status, 204)
  assert.equal((await member.get(at)).status, 404)
})

test('what is wrong is refused with the status that clients know', async (t) => {
  const { cloud, member, at } = await withBox(t)
  assert.equal((await put(cloud, `${at}/o`, 'x', { etag: md5('y') })).status, 422)
  assert.equal((await member.get(`${at}/o`)).status, 404)
  assert.equal((await put(cloud, `${account}/none/o`, 'x')).status, 404)
  assert.equal((await put(cloud, `${at}/o`, 'x', { 'x-delete-at': 'soon' })).status, 400)
  assert.equal((await put(cloud, `${at}/o`, 'x', { 'x-delete-at': '1000' })).status, 400)
  assert.equal((await put(cloud, `${at}/${'o'.repeat(1025)}`, 'x')).status, 400)
  assert.equal((await member.put(`${account}/${'c'.repeat(257)}`)).status, 400)
  assert.equal((await put(cloud, `${at}/o`, 'x', { 'x-object-meta-a': 'v'.repeat(257) })).status, 400)
  assert.equal((await member.get(`${at}?limit=20000`)).status, 412)
  assert.equal((await member.get(`${account}/%ff`)).status, 400)
  await put(cloud, `${at}/o`, 'x')
  assert.equal((await put(cloud, `${at}/o`, 'y', { 'if-none-match': '*' })).status, 412)
  assert.equal((await cloud.as('stranger').get(`${at}/o`)).status, 401)
  assert.equal((await cloud.as('other').get(`${at}/o`)).status, 403)
  assert.equal((await cloud.as('other').get(`${account}/nothing/o`)).status, 403)
  assert.equal((await cloud.as('reader').get(`${at}/o`)).status, 200)
  assert.equal((await cloud.as('reader').put(`${at}/o`, undefined, { raw: 'z' })).status, 403)
})

test('bytes above the inline size lie at the backend, come back by ranges, and go away', async (t) => {
  const { cloud, member, at } = await withBox(t)
  const data = Buffer.from(randomBytes(60_000).toString('hex'))
  assert.equal((await put(cloud, `${at}/big`, data)).headers['etag'], md5(data))
  const range = async (value: string) => member.get(`${at}/big`, { headers: { range: value } })
  assert.equal((await range('bytes=0-9')).text, data.subarray(0, 10).toString())
  assert.equal((await range('bytes=119990-')).text, data.subarray(119_990).toString())
  assert.equal((await range('bytes=-5')).headers['content-range'], 'bytes 119995-119999/120000')
  assert.equal((await range('bytes=120000-')).status, 416)
  const many = await range('bytes=0-1,5-6')
  assert.equal(many.status, 206)
  assert.match(many.headers['content-type']!, /^multipart\/byteranges;boundary=/)
  assert.ok(many.text.includes(`\r\n\r\n${data.subarray(5, 7).toString()}\r\n`))
  assert.equal(Number(many.headers['content-length']), many.text.length)
  assert.equal((await member.get(`${at}/big`, { headers: { 'if-none-match': md5(data) } })).status, 304)
  assert.equal((await member.get(`${at}/big`, { headers: { 'if-match': 'else' } })).status, 412)
  const copied = await member.call('COPY', `${at}/big`, undefined, { headers: { destination: 'box/copy' } })
  assert.equal(copied.status, 201, copied.text)
  assert.equal(copied.headers['x-copied-from'], 'box/big')
  await put(cloud, `${at}/big`, 'small now')
  assert.equal((await member.get(`${at}/copy`)).text, data.toString())
  assert.equal((await member.head(at)).headers['x-container-bytes-used'], String(data.length + 9))
  await member.delete(`${at}/copy`)
  await member.delete(`${at}/big`)
  assert.equal((await member.head(at)).headers['x-container-bytes-used'], '0')
  assert.equal((await member.head(account)).headers['x-account-object-count'], '0')
})

test('lists: prefix, delimiter, marker, end_marker, reverse, path, in three forms', async (t) => {
  const { cloud, member, at } = await withBox(t)
  for (const name of ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'e/', 'e/x', 'é', 'z'])
    await put(cloud, `${at}/${encodeURI(name)}`, 'x')
  const list = async (query: string) => (await member.get(`${at}?${query}`)).text.split('\n').slice(0, -1)
  assert.deepEqual(await list(''), ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'e/', 'e/x', 'z', 'é'])
  assert.deepEqual(await list('delimiter=/'), ['a', 'b/', 'd', 'e/', 'z', 'é'])
  assert.deepEqual(await list('delimiter=/&reverse=true'), ['é', 'z', 'e/', 'd', 'b/', 'a'])
  assert.deepEqual(await list('delimiter=/&limit=2'), ['a', 'b/'])
  assert.deepEqual(await list('delimiter=/&limit=2&marker=b/'), ['d', 'e/'])
  assert.deepEqual(await list('prefix=b/&delimiter=/'), ['b/1', 'b/2', 'b/c/'])
  assert.deepEqual(await list('prefix=b'), ['b/1', 'b/2', 'b/c/3'])
  assert.deepEqual(await list('path=b'), ['b/1', 'b/2'])
  assert.deepEqual(await list('path=e'), ['e/x'])
  assert.deepEqual(await list('marker=b/2&end_marker=z'), ['b/c/3', 'd', 'e/', 'e/x'])
  assert.deepEqual(await list('marker=e/&end_marker=b/1&reverse=1'), ['d', 'b/c/3', 'b/2'])
  const json = (await member.get(`${at}?format=json&delimiter=/&prefix=b/`)).json
  assert.equal(json[0].hash, md5('x'))
  assert.deepEqual(json[2], { subdir: 'b/c/' })
  assert.match((await member.get(`${at}?format=xml`)).text, /<object><name>a<\/name><hash>/)
  assert.equal((await member.get(`${at}?prefix=q`)).status, 204)
  assert.equal((await member.get(`${account}?format=json`)).json[0].count, 9)
  assert.equal(
    (await member.get(account, { headers: { accept: 'application/xml' } })).headers['content-type'],
    'application/xml; charset=utf-8',
  )
})

test('access lists of containers let others in, as far as they say', async (t) => {
  const { cloud, member, at } = await withBox(t, { 'x-container-read': '.r:*' })
  await put(cloud, `${at}/o`, 'open')
  const [stranger, other] = [cloud.as('stranger'), cloud.as('other')]
  assert.equal((await stranger.get(`${at}/o`)).text, 'open')
  assert.equal((await stranger.get(at)).status, 401)
  const acl = (headers: Record<string, string>) => member.call('POST', at, undefined, { headers })
  await acl({ 'x-container-read': '.r:*,.rlistings' })
  assert.equal((await stranger.get(at)).text, 'o\n')
  await acl({ 'x-container-read': '.r:*,.r:-.thief.example' })
  assert.equal((await stranger.get(`${at}/o`, { headers: { referer: 'http://www.thief.example/' } })).status, 401)
  await acl({ 'x-container-read': `${other.projectId}:${other.userId}` })
  assert.equal((await other.get(`${at}/o`)).text, 'open')
  assert.equal((await other.get(at)).text, 'o\n')
  assert.equal((await stranger.get(`${at}/o`)).status, 401)
  assert.equal((await other.put(`${at}/mine`, undefined, { raw: 'x' })).status, 403)
  await acl({ 'x-container-write': `*:${other.userId}` })
  assert.equal((await other.put(`${at}/mine`, undefined, { raw: 'x' })).status, 201)
  assert.equal((await member.head(at)).headers['x-container-write'], `*:${other.userId}`)
  assert.equal((await other.head(at)).headers['x-container-write'], undefined)
  assert.equal((await acl({ 'x-container-write': '.r:*' })).status, 400)
  await acl({ 'x-remove-container-write': 'x' })
  assert.equal((await other.put(`${at}/mine`, undefined, { raw: 'x' })).status, 403)
})

test('quotas of containers and accounts', async (t) => {
  const { cloud, member, at } = await withBox(t, {
    'x-container-meta-quota-count': '2',
    'x-container-meta-quota-bytes': '10',
  })
  assert.equal((await put(cloud, `${at}/a`, '12345678')).status, 201)
  assert.equal((await put(cloud, `${at}/b`, '123')).status, 413)
  assert.equal((await put(cloud, `${at}/a`, '1234567890')).status, 201)
  assert.equal((await put(cloud, `${at}/b`, '')).status, 201)
  assert.equal((await put(cloud, `${at}/c`, '')).status, 413)
  const headers = { 'x-account-meta-quota-bytes': '12' }
  assert.equal((await member.call('POST', account, undefined, { headers })).status, 403)
  assert.equal((await cloud.as('admin').call('POST', account, undefined, { headers })).status, 204)
  await member.put(`${account}/second`)
  assert.equal((await put(cloud, `${account}/second/o`, '123')).status, 413)
  assert.equal((await put(cloud, `${account}/second/o`, '12')).status, 201)
})

test('large objects: dynamic and static, read whole and by range, deleted with their segments', async (t) => {
  const { cloud, member, at } = await withBox(t)
  for (let i = 0; i < 3; i++) await put(cloud, `${at}/seg/${i}`, `part${i}`)
  assert.equal((await put(cloud, `${at}/dlo`, '', { 'x-object-manifest': 'box/seg/' })).status, 201)
  assert.equal((await member.get(`${at}/dlo`)).text, 'part0part1part2')
  assert.equal((await member.get(`${at}/dlo`, { headers: { range: 'bytes=3-11' } })).text, 't0part1pa')
  assert.match((await member.head(`${at}/dlo`)).headers['etag']!, /^"[0-9a-f]{32}"$/)
  const segments = [0, 1, 2].map((i) => ({ path: `/box/seg/${i}`, etag: md5(`part${i}`), size_bytes: 5 }))
  const wrong = JSON.stringify([{ ...segments[0], size_bytes: 4 }])
  assert.equal((await put(cloud, `${at}/slo?multipart-manifest=put`, wrong)).status, 400)
  const made = await put(
    cloud,
    `${at}/slo?multipart-manifest=put`,
    JSON.stringify([segments[0], { ...segments[1], range: '1-2' }]),
  )
  assert.equal(made.status, 201, made.text)
  const got = await member.get(`${at}/slo`)
  assert.equal(got.text, 'part0ar')
  assert.equal(got.headers['x-static-large-object'], 'True')
  assert.equal(got.headers['etag'], made.headers['etag'])
  assert.equal((await member.get(`${at}/slo?multipart-manifest=get`)).json[1].range, '1-2')
  await put(cloud, `${at}/seg/0`, 'other')
  assert.equal((await member.get(`${at}/slo`)).status, 409)
  assert.match((await member.delete(`${at}/slo?multipart-manifest=delete`)).text, /^Number Deleted: 3\n/)
  assert.equal((await member.get(`${at}?prefix=s`)).text, 'seg/2\n')
})

test('versions beside the object: kept, listed, read, brought back, removed', async (t) => {
  const { cloud, member, at } = await withBox(t, { 'x-versions-enabled': 'true' })
  const one = await put(cloud, `${at}/o`, 'one')
  await put(cloud, `${at}/o`, 'two two')
  const version = one.headers['x-object-version-id']
  assert.equal((await member.get(`${at}/o?version-id=${version}`)).text, 'one')
  assert.equal((await member.delete(`${at}/o`)).status, 204)
  assert.equal((await member.get(`${at}/o`)).status, 404)
  assert.equal((await member.get(at)).status, 204)
  const listed = (await member.get(`${at}?versions&format=json`)).json as { is_latest: boolean; version_id: string }[]
  assert.deepEqual(
    listed.map((each) => each.is_latest),
    [true, false, false],
  )
  assert.equal((await member.delete(at)).status, 409)
  for (const each of listed) assert.equal((await member.delete(`${at}/o?version-id=${each.version_id}`)).status, 204)
  assert.equal((await member.head(at)).headers['x-container-bytes-used'], '0')
  assert.equal((await member.delete(at)).status, 204)
})

test('versions in another container: stack brings the last one back, history keeps all', async (t) => {
  const { cloud, member, at } = await withBox(t, { 'x-versions-location': 'old' })
  await put(cloud, `${at}/o`, 'one')
  assert.equal((await put(cloud, `${at}/o`, 'two')).status, 412)
  await member.put(`${account}/old`)
  await put(cloud, `${at}/o`, 'two')
  assert.match((await member.get(`${account}/old`)).text, /^001o\/\d+\.\d{5}\n$/)
  assert.equal((await member.delete(`${at}/o`)).status, 204)
  assert.equal((await member.get(`${at}/o`)).text, 'one')
  assert.equal((await member.get(`${account}/old`)).status, 204)
  await member.call('POST', at, undefined, { headers: { 'x-history-location': 'old' } })
  await member.delete(`${at}/o`)
  assert.equal((await member.get(`${at}/o`)).status, 404)
  assert.equal((await member.get(`${account}/old`)).text.split('\n').length, 3)
})

test('links lead to their target, for those who may read it', async (t) => {
  const { cloud, member, at } = await withBox(t)
  await put(cloud, `${at}/target`, 'there')
  await put(cloud, `${at}/link`, '', { 'x-symlink-target': 'box/target' })
  const got = await member.get(`${at}/link`)
  assert.equal(got.text, 'there')
  assert.match(got.headers['content-location']!, /\/box\/target$/)
  assert.equal((await member.head(`${at}/link?symlink=get`)).headers['x-symlink-target'], 'box/target')
  const fixed = { 'x-symlink-target': 'box/target', 'x-symlink-target-etag': md5('there') }
  assert.equal((await put(cloud, `${at}/fixed`, '', fixed)).status, 201)
  await put(cloud, `${at}/target`, 'else')
  assert.equal((await member.get(`${at}/fixed`)).status, 409)
  assert.equal((await member.get(`${at}?format=json&prefix=link`)).json[0].symlink_path, `/v1/AUTH_${team}/box/target`)
})
