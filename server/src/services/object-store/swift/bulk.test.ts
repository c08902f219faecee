import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { testCloud } from '#lib/testing/cloud.ts'
import { whileWorking } from './bulk.ts'

const team = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const account = `/object-store/v1/AUTH_${team}`
const asJson = { accept: 'application/json' }

interface File {
  name: string
  data?: string | Buffer
  pax?: Record<string, string>
  type?: 'directory' | 'symlink'
}
async function tar(...files: File[]): Promise<Buffer> {
  const made = pack()
  for (const { name, data = '', pax, type } of files)
    made.entry({ name, type: type ?? 'file', ...(pax && { pax }), ...(type === 'symlink' && { linkname: 'x' }) }, data)
  made.finalize()
  return buffer(made as AsyncIterable<Buffer>)
}

async function withBox(t: Parameters<typeof testCloud>[0]) {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  assert.equal((await member.put(`${account}/box`)).status, 201)
  const upload = async (path: string, raw: Buffer, headers: Record<string, string> = {}, format = 'tar') =>
    member.put(`${account}${path}?extract-archive=${format}`, undefined, {
      raw,
      headers: { 'content-type': '', 'content-length': String(raw.length), ...asJson, ...headers },
    })
  const remove = async (raw: string, headers: Record<string, string> = {}, path = '') =>
    member.call('POST', `${account}${path}?bulk-delete`, undefined, {
      raw,
      headers: { 'content-type': 'text/plain', 'content-length': String(raw.length), ...asJson, ...headers },
    })
  return { cloud, member, upload, remove }
}

test('an archive becomes objects, its containers are made on the way', async (t) => {
  const { member, upload } = await withBox(t)
  const big = Buffer.alloc(100_000, 'big')
  const archive = await tar(
    { name: 'base', data: 'ignored' },
    { name: './one/', type: 'directory' },
    { name: './one/é/a.txt', data: 'hello' },
    { name: '/one/big', data: big },
    { name: 'two/b', data: '' },
    { name: 'two/link', type: 'symlink' },
  )
  const said = await upload('', archive)
  assert.equal(said.status, 200)
  assert.deepEqual(said.json, {
    'Number Files Created': 3,
    'Response Body': '',
    'Response Status': '201 Created',
    Errors: [],
  })
  assert.equal((await member.get(`${account}/one`)).text, 'big\né/a.txt\n')
  assert.equal((await member.get(`${account}/one/big`)).text, big.toString())
  const text = await member.get(`${account}/one/%C3%A9/a.txt`)
  assert.deepEqual([text.text, text.headers['content-type']], ['hello', 'text/plain'])
  assert.equal((await member.get(`${account}/two`)).text, 'b\n')

  const packed = await upload('/box/deep/', gzipSync(archive), { accept: 'text/plain' }, 'tar.gz')
  assert.equal(packed.text, 'Number Files Created: 4\nResponse Body: \nResponse Status: 201 Created\nErrors:\n')
  assert.equal((await member.get(`${account}/box`)).text, 'deep/base\ndeep/one/big\ndeep/one/é/a.txt\ndeep/two/b\n')
})

test('what the archive and the request say of the files is kept with them', async (t) => {
  const { member, upload } = await withBox(t)
  const pax = {
    'SCHILY.xattr.user.mime_type': 'application/python-setup',
    'SCHILY.xattr.user.meta.lunch': 'burger und Käse',
    'LIBARCHIVE.xattr.user.meta.Dinner': 'ziti',
    'SCHILY.xattr.user.stuff': 'whee',
  }
  const archive = await tar({ name: 'setup.py', data: 'x', pax }, { name: 'plain.txt', data: 'y' })
  const at = Math.floor(Date.now() / 1000) + 1000
  const headers = { 'content-type': 'text/x-mine', 'x-object-meta-all': 'same', 'x-delete-at': String(at) }
  assert.equal((await upload('/box', archive, headers)).json['Number Files Created'], 2)
  const setup = (await member.head(`${account}/box/setup.py`)).headers
  assert.equal(setup['content-type'], 'application/python-setup')
  assert.equal(Buffer.from(setup['x-object-meta-lunch']!, 'latin1').toString(), 'burger und Käse')
  assert.equal(setup['x-object-meta-dinner'], 'ziti')
  assert.equal(setup['x-object-meta-all'], 'same')
  assert.equal(setup['x-object-meta-stuff'], undefined)
  assert.equal(setup['x-delete-at'], String(at))
  assert.equal((await member.head(`${account}/box/plain.txt`)).headers['content-type'], 'text/x-mine')
  const detect = { ...headers, 'x-detect-content-type': 'true' }
  assert.equal((await upload('/box', archive, detect)).json['Number Files Created'], 2)
  assert.equal((await member.head(`${account}/box/plain.txt`)).headers['content-type'], 'text/plain')
})

test('files that cannot be stored are named, the others are stored', async (t) => {
  const { cloud, member, upload } = await withBox(t)
  const long = 'n'.repeat(1025)
  const archive = await tar(
    { name: 'box/good', data: 'x' },
    { name: `box/${long}`, data: Buffer.alloc(50_000) },
    { name: `${'c'.repeat(257)}/o`, data: 'x' },
    { name: 'box/sparse', data: 'x', pax: { 'GNU.sparse.major': '1' } },
    { name: 'box/meta', data: 'x', pax: { [`SCHILY.xattr.user.meta.${'k'.repeat(129)}`]: 'v' } },
    { name: 'box/last', data: 'x' },
  )
  const said = await upload('', archive)
  assert.equal(said.status, 200)
  assert.equal(said.json['Response Status'], '400 Bad Request')
  assert.equal(said.json['Number Files Created'], 2)
  assert.deepEqual(said.json.Errors, [
    [`box/${long}`, '400 Bad Request'],
    [`/v1/AUTH_${team}/${'c'.repeat(257)}`, '400 Bad Request'],
    [`${'c'.repeat(257)}/o`, '400 Bad Request'],
    ['box/sparse', '422 Unprocessable Entity'],
    ['box/meta', '400 Bad Request'],
  ])
  assert.equal((await member.get(`${account}/box`)).text, 'good\nlast\n')
  const xml = await upload('', archive, { accept: 'application/xml' })
  assert.match(xml.text, /^<\?xml [^>]+>\n<extract>\n<number_files_created>2<\/number_files_created>/)
  assert.match(xml.text, /<object><name>box\/sparse<\/name><status>422 Unprocessable Entity<\/status><\/object>/)

  const other = await cloud.as('other').put(`${account}/box?extract-archive=tar`, undefined, {
    raw: archive,
    headers: { 'content-length': String(archive.length), ...asJson },
  })
  assert.equal(other.json['Response Status'], '400 Bad Request')
  assert.ok(other.json.Errors.every(([, status]: [string, string]) => status !== '201 Created'))
  const stranger = await cloud.as('stranger').put(`${account}/box?extract-archive=tar`, undefined, {
    raw: archive,
    headers: { 'content-length': String(archive.length), ...asJson },
  })
  assert.equal(stranger.json['Response Status'], '401 Unauthorized')
})

test('what is no archive is refused in the reply', async (t) => {
  const { member, upload } = await withBox(t)
  const archive = await tar({ name: 'a', data: Buffer.alloc(30_000, 'a') })
  const status = async (raw: Buffer, format?: string) => {
    const said = await upload('/box', raw, {}, format)
    assert.equal(said.status, 200, said.text)
    return `${said.json['Response Status']}: ${said.json['Response Body']}`
  }
  assert.match(await status(Buffer.alloc(2048, 'z')), /^400 Bad Request: Invalid Tar File: /)
  assert.match(await status(archive.subarray(0, 5000)), /^400 Bad Request: Invalid Tar File: /)
  assert.match(await status(archive, 'tar.gz'), /^400 Bad Request: Invalid Tar File: /)
  assert.match(await status(gzipSync(archive).subarray(0, 100), 'tar.gz'), /^400 Bad Request: Invalid Tar File: /)
  assert.match(await status(Buffer.alloc(1024)), /^400 Bad Request: Invalid Tar File: No Valid Files/)
  assert.equal((await member.get(`${account}/box`)).status, 204)
  assert.equal((await upload('/box', archive, {}, 'zip')).status, 400)
  const bzip = await upload('/box', archive, {}, 'tar.bz2')
  assert.deepEqual([bzip.status, /bzip2/.test(bzip.text)], [400, true])
  assert.equal((await upload('/box', archive, { accept: 'image/png' })).text.includes('406 Not Acceptable'), true)
})

test('many things are deleted in one request: objects first, then containers', async (t) => {
  const { cloud, member, upload, remove } = await withBox(t)
  await upload('', await tar({ name: 'box/a%20é' }, { name: 'box/b' }, { name: 'full/c' }, { name: 'empty/d' }))
  await member.delete(`${account}/empty/d`)
  const said = await remove('box\n/full\n\nbox/a%2520%C3%A9\r\n/box/b\nbox/none\nnobox\nbad/%FF\nempty')
  assert.equal(said.status, 200)
  assert.deepEqual(said.json, {
    'Number Deleted': 4,
    'Number Not Found': 2,
    'Response Body': '',
    'Response Status': '400 Bad Request',
    Errors: [
      ['bad/%FF', '412 Precondition Failed'],
      ['/full', '409 Conflict'],
    ],
  })
  assert.equal((await member.get(account)).text, 'full\n')
  const byDelete = await member.call('DELETE', `${account}?bulk-delete`, undefined, {
    raw: 'full/c\nfull',
    headers: { 'content-type': 'text/plain', 'content-length': '11' },
  })
  assert.equal(
    byDelete.text,
    'Number Deleted: 2\nNumber Not Found: 0\nResponse Body: \nResponse Status: 200 OK\nErrors:\n',
  )
  assert.equal((await remove('')).json['Response Body'], 'Invalid bulk delete.')
  assert.equal((await remove('a', { 'content-type': 'text/html' })).json['Response Status'], '406 Not Acceptable')
  assert.equal((await remove('a/b\n'.repeat(10_001))).json['Response Status'], '413 Request Entity Too Large')
  assert.equal((await remove('a'.repeat(3000))).json['Response Body'], 'Invalid File Name')
  await member.put(`${account}/mine`)
  const other = await cloud.as('other').call('POST', `${account}?bulk-delete`, undefined, {
    raw: 'mine\n',
    headers: { 'content-type': 'text/plain', 'content-length': '5', ...asJson },
  })
  assert.deepEqual(other.json.Errors, [['mine', '403 Forbidden']])
  assert.equal((await member.head(`${account}/mine`)).status, 204)
})

test('a static large object goes with its segments, and those of its segments', async (t) => {
  const { member, upload } = await withBox(t)
  await upload('/box', await tar({ name: '1', data: 'one' }, { name: '2', data: 'two' }, { name: '3', data: 'three' }))
  const manifest = async (name: string, ...paths: string[]) => {
    const raw = JSON.stringify(paths.map((path) => ({ path: `/box/${path}` })))
    const headers = { 'content-length': String(raw.length) }
    const made = await member.put(`${account}/box/${name}?multipart-manifest=put`, undefined, { raw, headers })
    assert.equal(made.status, 201, made.text)
  }
  await manifest('inner', '1', '2')
  await manifest('outer', 'inner', '3')
  const del = async (name: string) =>
    (await member.delete(`${account}/box/${name}?multipart-manifest=delete`, { headers: asJson })).json
  assert.deepEqual((await del('1')).Errors, [['box/1', 'Not an SLO manifest']])
  await member.delete(`${account}/box/2`)
  const said = await del('outer')
  assert.deepEqual([said['Number Deleted'], said['Number Not Found'], said['Response Status']], [4, 1, '200 OK'])
  assert.equal((await member.get(`${account}/box`)).status, 204)
  assert.equal((await del('outer'))['Number Not Found'], 1)
})

test('blanks keep the connection alive while the work goes on', async () => {
  let end: (text: string) => void = () => {}
  const body = new Promise<string>((resolve) => (end = resolve))
  const read = whileWorking(body, 'xml', 1)[Symbol.asyncIterator]()
  const text = async () => String((await read.next()).value)
  assert.equal(await text(), '<?xml version="1.0" encoding="UTF-8"?>\n ')
  assert.equal(await text(), ' ')
  end('<delete/>')
  let last = await text()
  while (last === ' ') last = await text()
  assert.equal(last, '\r\n\r\n<delete/>')
  assert.equal((await read.next()).done, true)
})
