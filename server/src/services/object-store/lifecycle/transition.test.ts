// Objects move from one storage class to another by rule, encrypted ones as they are.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { s3Cloud } from '../s3/testing.ts'
import { collectGarbage, sweepOrphans } from '../sweep.ts'
import { runLifecycles } from './run.ts'

const sse = 'x-amz-server-side-encryption'
const big = Buffer.from('a sentence that may be found. '.repeat(10_000))

async function files(dir: string): Promise<Buffer[]> {
  const names = (await readdir(dir, { recursive: true })).filter((name) => name.includes('/'))
  return Promise.all(names.map((name) => readFile(join(dir, name))))
}

async function twoClasses(t: TestContext, rules: string) {
  const root = await mkdtemp(join(tmpdir(), 'pileus-classes-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const [hot, cold] = [join(root, 'hot'), join(root, 'cold')]
  await mkdir(hot)
  await mkdir(cold)
  const { cloud, s3 } = await s3Cloud(t, {
    objectDirs: hot,
    objectBackends: [{ name: 'slow', kind: 'disk', dirs: [cold] }],
    objectClasses: [{ name: 'COLD', backend: 'slow' }],
  })
  const client = await s3('member')
  assert.equal((await client.call('PUT', '/box')).status, 200)
  const body = `<LifecycleConfiguration><Rule><ID>r</ID><Filter/><Status>Enabled</Status>${rules}</Rule></LifecycleConfiguration>`
  const put = await client.call('PUT', '/box', { query: { lifecycle: '' }, body })
  assert.equal(put.status, 200, put.text)
  const { world } = cloud.app
  return {
    ...{ client, hot, cold },
    async run(days: number) {
      const done = await runLifecycles(world, new Date(Date.now() + days * 86_400_000), 0)
      await collectGarbage(world)
      assert.equal(await sweepOrphans(world, -1000), 0)
      return done
    },
  }
}

test('encrypted objects, with any key, change their class and can be read as before', async (t) => {
  const { client, hot, cold, run } = await twoClasses(
    t,
    '<Transition><Days>30</Days><StorageClass>COLD</StorageClass></Transition>',
  )
  const key = randomBytes(32)
  const customer = {
    [`${sse}-customer-algorithm`]: 'AES256',
    [`${sse}-customer-key`]: key.toString('base64'),
    [`${sse}-customer-key-md5`]: createHash('md5').update(key).digest('base64'),
  }
  const wishes: Record<string, { write: Record<string, string>; read: Record<string, string> }> = {
    plain: { write: {}, read: {} },
    ours: { write: { [sse]: 'AES256' }, read: {} },
    project: { write: { [sse]: 'aws:kms' }, read: {} },
    customer: { write: customer, read: customer },
  }
  const etags = new Map<string, unknown>()
  for (const [name, { write }] of Object.entries(wishes)) {
    const made = await client.call('PUT', `/box/${name}`, { body: big, headers: write })
    assert.equal(made.status, 200, made.text)
    etags.set(name, made.headers.etag)
  }
  const begun = await client.call('POST', '/box/parts', { query: { uploads: '' }, headers: { [sse]: 'AES256' } })
  const uploadId = begun.the('UploadId')
  const bodies = [randomBytes(5 << 20), big]
  const parts = await Promise.all(
    bodies.map(async (body, n) => {
      const query = { uploadId, partNumber: String(n + 1) }
      const { headers } = await client.call('PUT', '/box/parts', { query, body })
      return `<Part><PartNumber>${n + 1}</PartNumber><ETag>${headers.etag}</ETag></Part>`
    }),
  )
  const completed = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
  assert.equal((await client.call('POST', '/box/parts', { query: { uploadId }, body: completed })).status, 200)
  await client.call('PUT', '/box/small', { body: 'in the row', headers: { [sse]: 'AES256' } })

  assert.deepEqual(await run(29), { expired: 0, moved: 0 })
  assert.deepEqual([(await files(hot)).length, (await files(cold)).length], [6, 0])
  assert.deepEqual(await run(31), { expired: 0, moved: 6 })
  const stored = await files(cold)
  assert.deepEqual([(await files(hot)).length, stored.length], [0, 6])
  assert.equal(stored.filter((file) => file.includes('a sentence that may be found')).length, 1, 'the plain one')
  assert.deepEqual(await run(31), { expired: 0, moved: 0 })

  for (const [name, { read }] of Object.entries(wishes)) {
    const whole = await client.call('GET', `/box/${name}`, { headers: read })
    assert.ok(whole.bytes.equals(big), name)
    assert.deepEqual([whole.headers['x-amz-storage-class'], whole.headers.etag], ['COLD', etags.get(name)], name)
    const part = await client.call('GET', `/box/${name}`, { headers: { ...read, range: 'bytes=65530-65550' } })
    assert.ok(part.bytes.equals(big.subarray(65_530, 65_551)), name)
  }
  assert.equal((await client.call('GET', '/box/customer')).status, 400, 'nobody has the key besides the customer')
  assert.ok((await client.call('GET', '/box/parts')).bytes.equals(Buffer.concat(bodies)))
  const second = await client.call('GET', '/box/parts', { query: { partNumber: '2' } })
  assert.ok(second.bytes.equals(big))
  const small = await client.call('GET', '/box/small')
  assert.deepEqual([small.text, small.headers['x-amz-storage-class']], ['in the row', 'COLD'])
  // and back by a copy onto itself
  const headers = { 'x-amz-copy-source': '/box/ours', 'x-amz-storage-class': 'STANDARD', [sse]: 'AES256' }
  assert.equal((await client.call('PUT', '/box/ours', { headers })).status, 200)
  const back = await client.call('GET', '/box/ours')
  assert.ok(back.bytes.equals(big) && back.headers['x-amz-storage-class'] === undefined)
  await run(0)
  assert.deepEqual([(await files(hot)).length, (await files(cold)).length], [1, 5])
})

test('older versions change their class by a rule of their own; copies that share bytes keep theirs', async (t) => {
  const { client, hot, cold, run } = await twoClasses(
    t,
    `<NoncurrentVersionTransition><NoncurrentDays>3</NoncurrentDays><StorageClass>COLD</StorageClass></NoncurrentVersionTransition>`,
  )
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await client.call('PUT', '/box', { query: { versioning: '' }, body })
  const first = await client.call('PUT', '/box/o', { body: big, headers: { [sse]: 'AES256' } })
  await client.call('PUT', '/box/copy', { headers: { 'x-amz-copy-source': '/box/o', [sse]: 'AES256' } })
  await client.call('PUT', '/box/o', { body: 'now' })
  const before = (await files(hot)).length
  assert.deepEqual(await run(5), { expired: 0, moved: 1 })
  assert.equal((await files(cold)).length, 1)
  assert.ok((await files(hot)).length <= before)
  const versionId = String(first.headers['x-amz-version-id'])
  const old = await client.call('GET', '/box/o', { query: { versionId } })
  assert.ok(old.bytes.equals(big) && old.headers['x-amz-storage-class'] === 'COLD')
  const copy = await client.call('GET', '/box/copy')
  assert.ok(copy.bytes.equals(big) && copy.headers['x-amz-storage-class'] === undefined)
})
