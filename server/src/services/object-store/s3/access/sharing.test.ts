import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { client, makeKeys, s3Cloud, type S3Client } from '../testing.ts'

const project = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'

async function sharedBucket(t: TestContext) {
  const made = await s3Cloud(t)
  const [member, other, anonymous] = [await made.s3('member'), await made.s3('other'), await made.s3('anonymous')]
  assert.equal((await member.call('PUT', '/shared')).status, 200)
  const policy = (Statement: object | object[]) =>
    member.call('PUT', '/shared', { query: { policy: '' }, body: JSON.stringify({ Version: '2012-10-17', Statement }) })
  return { ...made, member, other, anonymous, policy }
}
const statement = (change: object) => ({
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:ListBucket',
  Resource: 'arn:aws:s3:::shared',
  ...change,
})
const reads = (who: S3Client, query: Record<string, string> = {}) => who.call('HEAD', '/shared', { query })

test('a policy lets in whom it names, and is given back as it came', async (t) => {
  const { member, other, anonymous, policy, cloud } = await sharedBucket(t)
  assert.equal((await member.call('GET', '/shared', { query: { policy: '' } })).the('Code'), 'NoSuchBucketPolicy')
  assert.deepEqual([(await reads(other)).status, (await reads(anonymous)).status], [404, 403])
  const { projectId } = cloud.as('other')
  assert.equal((await policy(statement({ Principal: { AWS: `arn:aws:iam::${projectId}:root` } }))).status, 204)
  assert.deepEqual([(await reads(other)).status, (await reads(anonymous)).status], [200, 403])
  assert.equal((await other.call('DELETE', '/shared')).the('Code'), 'AccessDenied')
  const shown = await member.call('GET', '/shared', { query: { policy: '' } })
  assert.equal(JSON.parse(shown.text).Statement.Principal.AWS, `arn:aws:iam::${projectId}:root`)
  assert.equal((await policy(statement({}))).status, 204)
  assert.equal((await reads(anonymous)).status, 200)
  const status = await member.call('GET', '/shared', { query: { policyStatus: '' } })
  assert.equal(status.the('IsPublic'), 'true')
  assert.equal((await member.call('DELETE', '/shared', { query: { policy: '' } })).status, 204)
  assert.equal((await reads(anonymous)).status, 403)
})

test('a denial holds for the owners too, but cannot shut them out for ever', async (t) => {
  const { member, policy } = await sharedBucket(t)
  const all = { Effect: 'Deny', Action: 's3:*', Resource: ['arn:aws:s3:::shared', 'arn:aws:s3:::shared/*'] }
  assert.equal((await policy(statement(all))).status, 204)
  assert.equal((await reads(member)).status, 403)
  assert.equal((await member.call('DELETE', '/shared')).the('Code'), 'AccessDenied')
  assert.equal((await member.call('GET', '/shared', { query: { policy: '' } })).status, 200)
  assert.equal((await member.call('DELETE', '/shared', { query: { policy: '' } })).status, 204)
  assert.equal((await reads(member)).status, 200)
})

test('conditions see the request as it is', async (t) => {
  const { anonymous, policy } = await sharedBucket(t)
  await policy(statement({ Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } } }))
  assert.equal((await reads(anonymous)).status, 200)
  await policy(statement({ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }))
  assert.equal((await reads(anonymous)).status, 403)
  await policy(statement({ Condition: { Bool: { 'aws:SecureTransport': 'true' } } }))
  assert.equal((await reads(anonymous)).status, 403)
})

test('a policy that cannot be meant is refused, and one that is too long', async (t) => {
  const { policy, member } = await sharedBucket(t)
  const refused = await policy(statement({ Resource: 'arn:aws:s3:::elsewhere/*' }))
  assert.deepEqual([refused.status, refused.the('Code')], [400, 'MalformedPolicy'])
  const long = await member.call('PUT', '/shared', { query: { policy: '' }, body: ' '.repeat(30_000) })
  assert.equal(long.status, 400)
})

test('access lists: canned, by header, by document; the owner needs no grant and cannot be changed', async (t) => {
  const { member, other, anonymous, cloud } = await sharedBucket(t)
  const acl = (options: object) => member.call('PUT', '/shared', { query: { acl: '' }, ...options })
  const granted = async () => (await member.call('GET', '/shared', { query: { acl: '' } })).all('Permission')
  assert.deepEqual(await granted(), ['FULL_CONTROL'])
  assert.equal((await acl({ headers: { 'x-amz-acl': 'public-read' } })).status, 200)
  assert.deepEqual(await granted(), ['FULL_CONTROL', 'READ'])
  assert.deepEqual([(await reads(anonymous)).status, (await reads(other)).status], [200, 200])
  assert.equal((await acl({ headers: { 'x-amz-acl': 'authenticated-read' } })).status, 200)
  assert.deepEqual([(await reads(anonymous)).status, (await reads(other)).status], [403, 200])
  const { projectId } = cloud.as('other')
  assert.equal((await acl({ headers: { 'x-amz-grant-read-acp': `id="${projectId}"` } })).status, 200)
  assert.equal((await reads(other)).status, 404)
  const seen = await other.call('GET', '/shared', { query: { acl: '' } })
  assert.deepEqual([seen.status, seen.all('ID').includes(projectId)], [200, true])
  const document = (ownerId: string) => `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <Owner><ID>${ownerId}</ID></Owner><AccessControlList><Grant>
    <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>
    <Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`
  assert.equal((await acl({ body: document(project) })).status, 200)
  assert.equal((await reads(anonymous)).status, 200)
  assert.equal((await acl({ body: document(projectId) })).the('Code'), 'AccessDenied')
  for (const [options, code] of [
    [{ headers: { 'x-amz-acl': 'everybody' } }, 'InvalidArgument'],
    [{ headers: { 'x-amz-grant-read': 'emailAddress="a@b.test"' } }, 'UnresolvableGrantByEmailAddress'],
    [{ headers: { 'x-amz-grant-read': 'uri="http://nowhere.test/"' } }, 'InvalidArgument'],
    [{ headers: { 'x-amz-acl': 'private', 'x-amz-grant-read': 'id=x' } }, 'InvalidRequest'],
    [{ body: '<AccessControlPolicy><Owner/></AccessControlPolicy>' }, 'MalformedACLError'],
    [{}, 'MissingSecurityHeader'],
  ] as const)
    assert.equal((await acl(options)).the('Code'), code)
})

test('a public access block keeps the public out, whatever lists and policies say', async (t) => {
  const { member, anonymous, policy } = await sharedBucket(t)
  const block = (name: string) =>
    member.call('PUT', '/shared', {
      query: { publicAccessBlock: '' },
      body: `<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`,
    })
  const open = () => member.call('PUT', '/shared', { query: { acl: '' }, headers: { 'x-amz-acl': 'public-read' } })
  const none = await member.call('GET', '/shared', { query: { publicAccessBlock: '' } })
  assert.equal(none.the('Code'), 'NoSuchPublicAccessBlockConfiguration')
  assert.equal((await open()).status, 200)
  assert.equal((await block('IgnorePublicAcls')).status, 200)
  assert.equal((await reads(anonymous)).status, 403)
  await block('BlockPublicAcls')
  assert.equal((await open()).the('Code'), 'AccessDenied')
  await block('BlockPublicPolicy')
  assert.equal((await policy(statement({}))).the('Code'), 'AccessDenied')
  await member.call('DELETE', '/shared', { query: { publicAccessBlock: '' } })
  await member.call('PUT', '/shared', { query: { acl: '' }, headers: { 'x-amz-acl': 'private' } })
  await policy(statement({}))
  assert.equal((await reads(anonymous)).status, 200)
  await block('RestrictPublicBuckets')
  assert.equal((await reads(anonymous)).status, 403)
  assert.equal((await reads(member)).status, 200)
})

test('where the owner is enforced, lists count for nothing and none can be given', async (t) => {
  const { member, anonymous } = await sharedBucket(t)
  const own = (value: string) =>
    member.call('PUT', '/shared', {
      query: { ownershipControls: '' },
      body: `<OwnershipControls><Rule><ObjectOwnership>${value}</ObjectOwnership></Rule></OwnershipControls>`,
    })
  const acl = (canned: string) =>
    member.call('PUT', '/shared', { query: { acl: '' }, headers: { 'x-amz-acl': canned } })
  assert.equal((await acl('public-read')).status, 200)
  assert.equal((await own('BucketOwnerEnforced')).the('Code'), 'InvalidBucketAclWithObjectOwnership')
  await acl('private')
  assert.equal((await own('BucketOwnerEnforced')).status, 200)
  assert.equal((await acl('public-read')).the('Code'), 'AccessControlListNotSupported')
  assert.equal((await reads(anonymous)).status, 403)
  assert.equal((await own('ObjectWriter')).status, 501)
})

test('a name means the own bucket first, then that of who came first; PROJECT:name means one for sure', async (t) => {
  const { cloud, port, other, anonymous, policy } = await sharedBucket(t)
  await policy(statement({ Action: 's3:*' }))
  assert.equal((await anonymous.call('HEAD', `/${project}:shared`)).status, 200)
  // the other project makes a bucket of that name: from then on it is what the name means to them, and to nobody else
  assert.equal((await other.call('PUT', '/shared')).status, 200)
  assert.equal((await other.call('GET', '/shared', { query: { policy: '' } })).the('Code'), 'NoSuchBucketPolicy')
  const foreign = await other.call('HEAD', `/${project}:shared`)
  assert.equal(foreign.status, 200)
  assert.equal((await anonymous.call('HEAD', '/shared')).status, 200)
  const member = client(port, await makeKeys(cloud, 'member'))
  assert.equal((await member.call('DELETE', '/shared')).status, 204)
  assert.equal((await anonymous.call('HEAD', '/shared')).status, 403)
})

test("Swift's lists let in the same people here", async (t) => {
  const { cloud, other, anonymous } = await sharedBucket(t)
  const { projectId } = cloud.as('other')
  const box = `/object-store/v1/AUTH_${project}/shared`
  const post = (read: string) => cloud.as('member').post(box, undefined, { headers: { 'x-container-read': read } })
  assert.equal((await post(`${projectId}:*`)).status, 204)
  const path = `/${project}:shared`
  assert.deepEqual([(await other.call('HEAD', path)).status, (await anonymous.call('HEAD', path)).status], [200, 403])
  assert.equal((await post('.r:*,.rlistings')).status, 204)
  assert.equal((await anonymous.call('HEAD', path)).status, 200)
})
