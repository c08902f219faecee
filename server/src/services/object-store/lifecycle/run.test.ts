import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { s3Cloud } from '../s3/testing.ts'
import { runLifecycles } from './run.ts'

const box = '/object-store/v1/AUTH_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/box'
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000)

async function bucketWith(t: TestContext, rules: string) {
  const data = await mkdtemp(join(tmpdir(), 'pileus-lifecycle-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const { cloud, s3 } = await s3Cloud(t, { data })
  const member = await s3('member')
  assert.equal((await member.call('PUT', '/box')).status, 200)
  const body = `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`
  const put = await member.call('PUT', '/box', { query: { lifecycle: '' }, body })
  assert.equal(put.status, 200, put.text)
  const swift = cloud.as('member')
  return {
    member,
    swift,
    write: (name: string, body = 'x') => swift.put(`${box}/${name}`, undefined, { raw: Buffer.from(body) }),
    names: async () => (await swift.get(box)).text.split('\n').filter(Boolean),
    run: (days: number) => runLifecycles(cloud.app.world, inDays(days), 0),
  }
}
const rule = (inside: string, filter = '<Prefix>logs/</Prefix>') =>
  `<Rule><ID>r</ID><Filter>${filter}</Filter><Status>Enabled</Status>${inside}</Rule>`

test('objects that are old enough go, others stay', async (t) => {
  const { write, names, run } = await bucketWith(t, rule('<Expiration><Days>2</Days></Expiration>'))
  for (const name of ['logs/a', 'logs/b', 'other']) await write(name)
  assert.deepEqual(await run(1), { expired: 0, moved: 0 })
  assert.deepEqual(await run(4), { expired: 2, moved: 0 })
  assert.deepEqual(await names(), ['other'])
  assert.deepEqual(await run(4), { expired: 0, moved: 0 })
})

test('where versions are kept, an expired object is marked; old versions and marks without any go by rules of their own', async (t) => {
  const { write, names, run, swift } = await bucketWith(
    t,
    rule(`<Expiration><Days>2</Days></Expiration>
      <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>`),
  )
  await swift.post(box, undefined, { headers: { 'x-versions-enabled': 'true' } })
  for (const body of ['one', 'two', 'three']) await write('logs/a', body)
  const versions = async () => (await swift.get(`${box}?versions&format=json`)).json.length as number
  assert.equal(await versions(), 3)
  // the current one is marked as gone and is older by that; of the older ones the newest is kept
  assert.deepEqual(await run(4), { expired: 3, moved: 0 })
  assert.deepEqual(await names(), [])
  assert.equal(await versions(), 2)
  assert.deepEqual(await run(8), { expired: 0, moved: 0 })
})

test('a mark of deletion that hides nothing goes when it is asked for', async (t) => {
  const { write, run, swift } = await bucketWith(
    t,
    rule(`<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>
      <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>`),
  )
  await swift.post(box, undefined, { headers: { 'x-versions-enabled': 'true' } })
  await write('logs/a')
  await swift.delete(`${box}/logs/a`)
  assert.deepEqual(await run(0), { expired: 0, moved: 0 })
  assert.deepEqual(await run(3), { expired: 1, moved: 0 }) // the version; the mark is alone now
  assert.deepEqual(await run(3), { expired: 1, moved: 0 })
  assert.equal((await swift.get(`${box}?versions&format=json`)).json.length, 0)
})

test('a lifecycle is given back as it was meant, and refused where it means nothing', async (t) => {
  const inside = '<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>'
  const filter =
    '<And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeLessThan>10</ObjectSizeLessThan></And>'
  const { member } = await bucketWith(t, rule(inside, filter))
  const shown = await member.call('GET', '/box', { query: { lifecycle: '' } })
  assert.deepEqual(
    ['ID', 'Prefix', 'Key', 'Value', 'ObjectSizeLessThan', 'Date', 'Status'].map((name) => shown.the(name)),
    ['r', 'a', 'k', 'v', '10', '2030-01-01T00:00:00.000Z', 'Enabled'],
  )
  const put = (rules: string) =>
    member.call('PUT', '/box', {
      query: { lifecycle: '' },
      body: `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`,
    })
  for (const [rules, code] of [
    ['', 'MalformedXML'],
    [rule(''), 'InvalidRequest'],
    [rule('<Expiration><Days>0</Days></Expiration>'), 'InvalidArgument'],
    [rule('<Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>'), 'InvalidArgument'],
    [rule('<Transition><Days>1</Days><StorageClass>MOON</StorageClass></Transition>'), 'InvalidStorageClass'],
    [rule('<Expiration><Days>1</Days></Expiration>').repeat(2), 'InvalidArgument'],
  ] as const)
    assert.equal((await put(rules)).the('Code'), code, rules)
  assert.equal((await member.call('DELETE', '/box', { query: { lifecycle: '' } })).status, 204)
  assert.equal(
    (await member.call('GET', '/box', { query: { lifecycle: '' } })).the('Code'),
    'NoSuchLifecycleConfiguration',
  )
})
