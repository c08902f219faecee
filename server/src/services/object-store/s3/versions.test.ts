// Versions as S3 has them: numbered ones, null ones, marks of deletion.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { s3Cloud } from './testing.ts'

async function withVersions(t: TestContext) {
  const all = await s3Cloud(t)
  const member = await all.s3('member')
  await member.call('PUT', '/box')
  const versioning = (status: string) =>
    member.call('PUT', '/box', {
      query: { versioning: '' },
      body: `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
    })
  const put = async (body: string) => String((await member.call('PUT', '/box/o', { body })).headers['x-amz-version-id'])
  const del = (versionId?: string) =>
    member.call('DELETE', '/box/o', versionId === undefined ? {} : { query: { versionId } })
  const read = async (versionId?: string) => {
    const got = await member.call('GET', '/box/o', versionId === undefined ? {} : { query: { versionId } })
    return got.status === 200 ? got.text : `${got.status} ${got.the('Code')}`
  }
  const list = async (query: Record<string, string> = {}) => {
    const { text } = await member.call('GET', '/box', { query: { versions: '', ...query } })
    const found = [
      ...text.matchAll(/<(Version|DeleteMarker)><Key>([^<]*)<\/Key><VersionId>([^<]*)<\/VersionId><IsLatest>(\w+)/g),
    ]
    return found.map(
      ([, kind, , id, latest]) => `${kind === 'Version' ? '' : 'mark '}${id}${latest === 'true' ? ' latest' : ''}`,
    )
  }
  return { ...all, member, versioning, put, del, read, list }
}

test('versions are kept, marked deleted, read, removed, and the next is the object again', async (t) => {
  const { member, versioning, put, del, read, list, cloud } = await withVersions(t)
  assert.equal((await member.call('GET', '/box', { query: { versioning: '' } })).the('Status'), '')
  await put('before')
  assert.equal((await versioning('On')).the('Code'), 'IllegalVersioningConfigurationException')
  assert.equal((await versioning('Enabled')).status, 200)
  assert.equal((await member.call('GET', '/box', { query: { versioning: '' } })).the('Status'), 'Enabled')
  assert.deepEqual(await list(), ['null latest'])
  const one = await put('one')
  const two = await put('two')
  assert.match(one, /^\d{16}$/)
  assert.deepEqual(await list(), [`${two} latest`, one, 'null'])
  assert.deepEqual([await read(), await read(one), await read('null')], ['two', 'one', 'before'])
  assert.equal(await read('1'), '404 NoSuchVersion')
  assert.equal(await read('x'), '400 InvalidArgument')
  const gone = await del()
  const mark = String(gone.headers['x-amz-version-id'])
  assert.deepEqual([gone.status, gone.headers['x-amz-delete-marker']], [204, 'true'])
  const missing = await member.call('GET', '/box/o')
  assert.deepEqual(
    [missing.status, missing.headers['x-amz-delete-marker'], missing.headers['x-amz-version-id']],
    [404, 'true', mark],
  )
  assert.equal(await read(mark), '405 MethodNotAllowed')
  assert.deepEqual((await list()).toSorted(), [`mark ${mark} latest`, two, one, 'null'].toSorted())
  const first = await member.call('GET', '/box', { query: { versions: '', 'max-keys': '2' } })
  assert.equal(first.the('IsTruncated'), 'true')
  const rest = { 'key-marker': first.the('NextKeyMarker'), 'version-id-marker': first.the('NextVersionIdMarker') }
  assert.deepEqual(await list(rest), [one, 'null'])
  // the mark goes: the object is there again
  assert.equal((await del(mark)).headers['x-amz-delete-marker'], 'true')
  assert.equal(await read(), 'two')
  assert.equal((await del(two)).headers['x-amz-version-id'], two)
  assert.equal(await read(), 'one')
  const copied = await member.call('PUT', '/box/copy', { headers: { 'x-amz-copy-source': '/box/o?versionId=null' } })
  assert.equal(copied.headers['x-amz-copy-source-version-id'], 'null')
  assert.equal((await member.call('GET', '/box/copy')).text, 'before')
  assert.equal((await member.call('DELETE', '/box')).the('Code'), 'BucketNotEmpty')
  const use = await cloud.as('member').head('/object-store/v1/AUTH_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/box')
  assert.deepEqual([use.headers['x-container-object-count'], use.headers['x-container-bytes-used']], ['2', '15'])
})

test('where versions are kept no longer there is one null version, and the numbered ones stay', async (t) => {
  const { versioning, put, del, read, list } = await withVersions(t)
  await versioning('Enabled')
  const one = await put('one')
  await versioning('Suspended')
  assert.equal(await put('null a'), 'null')
  assert.equal(await put('null b'), 'null')
  assert.deepEqual(await list(), ['null latest', one])
  assert.deepEqual([await read(), await read(one)], ['null b', 'one'])
  const gone = await del()
  assert.deepEqual([gone.headers['x-amz-version-id'], gone.headers['x-amz-delete-marker']], ['null', 'true'])
  assert.deepEqual((await list()).toSorted(), [one, 'mark null latest'].toSorted())
  await put('null c')
  assert.deepEqual(await list(), ['null latest', one])
  await versioning('Enabled')
  const two = await put('two')
  assert.deepEqual(await list(), [`${two} latest`, 'null', one])
  await del('null')
  assert.deepEqual(await list(), [`${two} latest`, one])
})

test('folders in lists of versions, and deletes of many versions', async (t) => {
  const { member, versioning, list } = await withVersions(t)
  await versioning('Enabled')
  const ids: string[] = []
  for (const name of ['a/1', 'a/1', 'a/2', 'b', 'c/1'])
    ids.push(String((await member.call('PUT', `/box/${name}`, { body: 'x' })).headers['x-amz-version-id']))
  const folders = await member.call('GET', '/box', { query: { versions: '', delimiter: '/', 'max-keys': '2' } })
  assert.match(folders.text, /<CommonPrefixes><Prefix>a\/<\/Prefix><\/CommonPrefixes>/)
  assert.deepEqual([folders.all('Key'), folders.the('IsTruncated')], [['b'], 'true'])
  const next = await member.call('GET', '/box', {
    query: {
      versions: '',
      delimiter: '/',
      'key-marker': folders.the('NextKeyMarker'),
      'version-id-marker': folders.the('NextVersionIdMarker'),
    },
  })
  assert.deepEqual([next.all('Key'), next.all('Prefix').includes('c/')], [[], true])
  const objects = ids.map(
    (id, i) => `<Object><Key>${['a/1', 'a/1', 'a/2', 'b', 'c/1'][i]}</Key><VersionId>${id}</VersionId></Object>`,
  )
  const gone = await member.call('POST', '/box', {
    query: { delete: '' },
    body: `<Delete><Quiet>true</Quiet>${objects.join('')}</Delete>`,
  })
  assert.deepEqual([gone.status, gone.all('Code')], [200, []], gone.text)
  assert.deepEqual(await list(), [])
  assert.equal((await member.call('DELETE', '/box')).status, 204)
})

test('pages of versions by delimiter hold what one list holds, whatever their size', async (t) => {
  const { member, versioning } = await withVersions(t)
  await versioning('Enabled')
  const write = (name: string) => member.call('PUT', `/box/${name}`, { body: name })
  const written = ['a', 'a', 'a/1', 'a/1', 'a/2', 'a0', 'b/1', 'c', 'c', 'c', 'c/x/1', 'd/only', 'e']
  for (const name of written) await write(name)
  for (const name of ['a/2', 'c', 'd/only']) await member.call('DELETE', `/box/${name}`)
  const get = (query: Record<string, string>) => member.call('GET', '/box', { query: { versions: '', ...query } })
  const whole = await get({})
  const keys = whole.all('Key')
  const ids = whole.all('VersionId')
  assert.equal(keys.length, written.length + 3)
  for (const prefix of ['', 'c', 'c/']) {
    const expected = new Set(
      keys.flatMap((key, i) => {
        if (!key.startsWith(prefix)) return []
        const cut = key.indexOf('/', prefix.length)
        return cut < 0 ? `${key} ${ids[i]}` : key.slice(0, cut + 1)
      }),
    )
    for (let size = 1; size <= expected.size + 1; size++) {
      const found: string[] = []
      let marker: Record<string, string> = {}
      for (let more = true; more;) {
        const page = await get({ prefix, delimiter: '/', 'max-keys': String(size), ...marker })
        const shown = page.all('VersionId')
        const entries = [...page.all('Key').map((key, i) => `${key} ${shown[i]}`), ...page.all('Prefix').slice(1)]
        assert.ok(entries.length <= size)
        found.push(...entries)
        more = page.the('IsTruncated') === 'true'
        if (more) assert.equal(entries.length, size)
        marker = { 'key-marker': page.the('NextKeyMarker'), 'version-id-marker': page.the('NextVersionIdMarker') }
      }
      assert.deepEqual(found.toSorted(), [...expected].toSorted(), `pages of ${size} of ${prefix}`)
    }
  }
})
