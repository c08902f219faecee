import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { s3Cloud } from '../testing.ts'

async function bucketWith(t: TestContext, headers: Record<string, string> = {}) {
  const made = await s3Cloud(t)
  const [member, other, anonymous] = [await made.s3('member'), await made.s3('other'), await made.s3('anonymous')]
  const put = await member.call('PUT', '/box', { headers })
  assert.equal(put.status, 200, put.text)
  return { ...made, member, other, anonymous }
}
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()

test('tags: given with the bytes or later, counted, copied, taken', async (t) => {
  const { member } = await bucketWith(t)
  await member.call('PUT', '/box/a', { body: 'x', headers: { 'x-amz-tagging': 'colour=dark%20red&size=1' } })
  assert.equal((await member.call('HEAD', '/box/a')).headers['x-amz-tagging-count'], '2')
  const tags = async (key: string) => {
    const shown = await member.call('GET', `/box/${key}`, { query: { tagging: '' } })
    return Object.fromEntries(shown.all('Key').map((name, i) => [name, shown.all('Value')[i]]))
  }
  assert.deepEqual(await tags('a'), { colour: 'dark red', size: '1' })
  const copy = (key: string, headers: Record<string, string>) =>
    member.call('PUT', `/box/${key}`, { headers: { 'x-amz-copy-source': '/box/a', ...headers } })
  assert.equal((await copy('b', {})).status, 200)
  assert.equal((await copy('c', { 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'new=1' })).status, 200)
  assert.deepEqual([await tags('b'), await tags('c')], [{ colour: 'dark red', size: '1' }, { new: '1' }])
  const body = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>'
  assert.equal((await member.call('PUT', '/box/a', { query: { tagging: '' }, body })).status, 200)
  assert.deepEqual(await tags('a'), { k: 'v' })
  assert.equal((await member.call('DELETE', '/box/a', { query: { tagging: '' } })).status, 204)
  assert.deepEqual(await tags('a'), {})
  for (const wrong of [
    'a=1&a=2',
    'aws:x=1',
    `${'k'.repeat(129)}=1`,
    Array.from({ length: 11 }, (_, i) => `k${i}=1`).join('&'),
  ]) {
    const refused = await member.call('PUT', '/box/z', { body: 'x', headers: { 'x-amz-tagging': wrong } })
    assert.deepEqual([refused.status, refused.the('Code')], [400, 'InvalidTag'], wrong)
  }
  assert.equal((await member.call('GET', '/box/none', { query: { tagging: '' } })).the('Code'), 'NoSuchKey')
})

test('an object with a list of its own is read by those whom it names; what is not there is not told', async (t) => {
  const { member, anonymous, other } = await bucketWith(t)
  await member.call('PUT', '/box/open', { body: 'for all', headers: { 'x-amz-acl': 'public-read' } })
  await member.call('PUT', '/box/shut', { body: 'for us' })
  assert.equal((await anonymous.call('GET', '/box/open')).text, 'for all')
  assert.equal((await anonymous.call('GET', '/box/shut')).status, 403)
  assert.equal((await anonymous.call('GET', '/box/none')).status, 403)
  assert.equal((await other.call('DELETE', '/box/open')).status, 404)
  const acl = await member.call('GET', '/box/open', { query: { acl: '' } })
  assert.deepEqual(acl.all('Permission'), ['FULL_CONTROL', 'READ'])
  const shut = await member.call('PUT', '/box/open', { query: { acl: '' }, headers: { 'x-amz-acl': 'private' } })
  assert.equal(shut.status, 200)
  assert.equal((await anonymous.call('GET', '/box/open')).status, 403)
  // a copy does not take the list along
  await member.call('PUT', '/box/open', { query: { acl: '' }, headers: { 'x-amz-acl': 'public-read' } })
  await member.call('PUT', '/box/copy', { headers: { 'x-amz-copy-source': '/box/open' } })
  assert.equal((await anonymous.call('GET', '/box/copy')).status, 403)
})

test('a policy may look at the tags of what is there, and is asked about each key of many', async (t) => {
  const { member, anonymous } = await bucketWith(t)
  const policy = (Statement: object[]) =>
    member.call('PUT', '/box', { query: { policy: '' }, body: JSON.stringify({ Version: '2012-10-17', Statement }) })
  await policy([
    {
      Effect: 'Allow',
      Principal: '*',
      Action: ['s3:GetObject', 's3:DeleteObject'],
      Resource: 'arn:aws:s3:::box/*',
      Condition: { StringEquals: { 's3:ExistingObjectTag/public': 'yes' } },
    },
  ])
  await member.call('PUT', '/box/a', { body: 'a', headers: { 'x-amz-tagging': 'public=yes' } })
  await member.call('PUT', '/box/b', { body: 'b' })
  assert.deepEqual(
    [(await anonymous.call('GET', '/box/a')).status, (await anonymous.call('GET', '/box/b')).status],
    [200, 403],
  )
  const body = '<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>'
  const gone = await anonymous.call('POST', '/box', { query: { delete: '' }, body })
  assert.equal(gone.status, 200, gone.text)
  assert.deepEqual([gone.all('Key'), gone.all('Code')], [['a', 'b'], ['AccessDenied']])
  assert.deepEqual(
    [(await member.call('HEAD', '/box/a')).status, (await member.call('HEAD', '/box/b')).status],
    [404, 200],
  )
})

test('a locked version stays: compliance for everybody, governance but for those who may pass over it', async (t) => {
  const { cloud, member } = await bucketWith(t, { 'x-amz-bucket-object-lock-enabled': 'true' })
  const shown = await member.call('GET', '/box', { query: { 'object-lock': '' } })
  assert.equal(shown.the('ObjectLockEnabled'), 'Enabled')
  const write = async (mode: string) => {
    const headers = { 'x-amz-object-lock-mode': mode, 'x-amz-object-lock-retain-until-date': inDays(1) }
    const made = await member.call('PUT', '/box/a', { body: mode, headers })
    assert.equal(made.status, 200, made.text)
    return String(made.headers['x-amz-version-id'])
  }
  const remove = (versionId: string, headers: Record<string, string> = {}) =>
    member.call('DELETE', '/box/a', { query: { versionId }, headers })
  const bypass = { 'x-amz-bypass-governance-retention': 'true' }
  const [strict, loose] = [await write('COMPLIANCE'), await write('GOVERNANCE')]
  assert.equal((await remove(loose)).the('Code'), 'AccessDenied')
  assert.equal((await remove(strict)).the('Code'), 'AccessDenied')
  assert.equal((await remove(strict, bypass)).the('Code'), 'AccessDenied')
  // through Swift neither
  const swift = `/object-store/v1/AUTH_${cloud.as('member').projectId}/box/a`
  for (const version of [strict, loose]) {
    const listed = (await cloud.as('member').get(`${swift.slice(0, -2)}?versions&format=json`)).json as {
      version_id: string
    }[]
    const id = listed.find((each) => each.version_id.replace('.', '').startsWith(version.slice(0, 15)))!.version_id
    assert.equal((await cloud.as('member').delete(`${swift}?version-id=${id}`)).status, 403)
  }
  assert.equal((await remove(loose, bypass)).status, 204)
  assert.equal((await member.call('GET', '/box/a')).text, 'COMPLIANCE')
  // a mark of deletion hides it, and it is there all the same
  assert.equal((await member.call('DELETE', '/box/a')).status, 204)
  assert.equal((await member.call('GET', '/box/a', { query: { versionId: strict } })).text, 'COMPLIANCE')
  const suspend = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
  assert.equal(
    (await member.call('PUT', '/box', { query: { versioning: '' }, body: suspend })).the('Code'),
    'InvalidBucketState',
  )
  assert.equal((await member.call('DELETE', '/box')).the('Code'), 'BucketNotEmpty')
})

test('a lock grows, and shrinks only where it may; a hold is beside it; a bucket gives locks by itself', async (t) => {
  const { member } = await bucketWith(t, { 'x-amz-bucket-object-lock-enabled': 'true' })
  await member.call('PUT', '/box/a', { body: 'x' })
  const retain = (mode: string, days: number, headers = {}) =>
    member.call('PUT', '/box/a', {
      query: { retention: '' },
      headers,
      body: `<Retention><Mode>${mode}</Mode><RetainUntilDate>${inDays(days)}</RetainUntilDate></Retention>`,
    })
  const read = () => member.call('GET', '/box/a', { query: { retention: '' } })
  assert.equal((await read()).the('Code'), 'NoSuchObjectLockConfiguration')
  assert.equal((await retain('GOVERNANCE', 3)).status, 200)
  assert.equal((await retain('GOVERNANCE', 2)).the('Code'), 'AccessDenied')
  assert.equal((await retain('GOVERNANCE', 2, { 'x-amz-bypass-governance-retention': 'true' })).status, 200)
  assert.equal((await retain('COMPLIANCE', 4)).status, 200)
  assert.equal(
    (await retain('COMPLIANCE', 3, { 'x-amz-bypass-governance-retention': 'true' })).the('Code'),
    'AccessDenied',
  )
  assert.equal((await retain('GOVERNANCE', 9)).the('Code'), 'AccessDenied')
  assert.equal((await retain('COMPLIANCE', 5)).status, 200)
  assert.equal((await retain('COMPLIANCE', -1)).the('Code'), 'InvalidArgument')
  const hold = (status: string) =>
    member.call('PUT', '/box/a', {
      query: { 'legal-hold': '' },
      body: `<LegalHold><Status>${status}</Status></LegalHold>`,
    })
  assert.equal((await hold('ON')).status, 200)
  assert.equal((await member.call('GET', '/box/a', { query: { 'legal-hold': '' } })).the('Status'), 'ON')
  assert.equal((await read()).the('Mode'), 'COMPLIANCE')
  const rule = (inside: string) =>
    member.call('PUT', '/box', {
      query: { 'object-lock': '' },
      body: `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${inside}</ObjectLockConfiguration>`,
    })
  const byDefault = (days: number) =>
    `<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>${days}</Days></DefaultRetention></Rule>`
  assert.equal((await rule(byDefault(0))).the('Code'), 'InvalidRetentionPeriod')
  assert.equal((await rule(byDefault(2))).status, 200)
  await member.call('PUT', '/box/b', { body: 'y' })
  assert.equal((await member.call('HEAD', '/box/b')).headers['x-amz-object-lock-mode'], 'GOVERNANCE')
})

test('a bucket that was made without locks has none', async (t) => {
  const { member } = await bucketWith(t)
  assert.equal(
    (await member.call('GET', '/box', { query: { 'object-lock': '' } })).the('Code'),
    'ObjectLockConfigurationNotFoundError',
  )
  const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
  assert.equal((await member.call('PUT', '/box/a', { body: 'x', headers })).the('Code'), 'InvalidRequest')
  assert.equal((await member.call('HEAD', '/box/a')).status, 404)
})
