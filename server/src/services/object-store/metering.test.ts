import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flushUse, listRequestUse, pruneUse } from './metering.ts'
import { s3Cloud } from './s3/testing.ts'

test('what is stored and what was asked is told to those who may read the account, whichever API it came by', async (t) => {
  const { cloud, s3 } = await s3Cloud(t)
  const [member, swift] = [await s3('member'), cloud.as('member')]
  await member.call('PUT', '/box')
  await member.call('PUT', '/box/a', { body: 'x'.repeat(100) })
  await member.call('GET', '/box/a')
  await member.call('GET', '/box/a')
  await swift.put(`/object-store/v1/AUTH_${swift.projectId}/box/b`, undefined, { raw: 'y'.repeat(50) })
  const { status, json } = await swift.get('/object-store/usage')
  assert.equal(status, 200)
  const { stored, requests } = json.usage
  assert.deepEqual(stored, [
    { container: 'box', storage_class: 'STANDARD', objects: 2, bytes: 150, older_versions: 0, older_bytes: 0 },
  ])
  const of = (operation: string) => requests.find((each: { operation: string }) => each.operation === operation)
  assert.deepEqual([of('GetObject').requests, of('GetObject').bytes_out], [2, 200])
  assert.deepEqual([of('PutObject').requests, of('PutObject').bytes_in], [1, 100])
  assert.equal(of('swift PUT object').requests, 1)
  assert.equal((await cloud.as('other').get(`/object-store/usage?project_id=${swift.projectId}`)).status, 403)
  assert.equal((await cloud.as('reader').get('/object-store/usage')).status, 200)
  assert.equal((await cloud.as('stranger').get('/object-store/usage')).status, 401)
  for (const query of ['from=yesterday', 'from=2020-01-01T00:00:00Z'])
    assert.equal((await swift.get(`/object-store/usage?${query}`)).status, 400)
})

test('counts add up over flushes, and go when they are old', async (t) => {
  const { cloud, s3 } = await s3Cloud(t)
  const member = await s3('member')
  const { world } = cloud.app
  for (let i = 0; i < 3; i++) {
    await member.call('GET', '/')
    await flushUse(world)
  }
  const whose = { region: world.config.region, projectId: cloud.as('member').projectId }
  const all = () => listRequestUse(cloud.db, whose, new Date(0), new Date(Date.now() + 3_600_000))
  assert.deepEqual(
    (await all()).map(({ operation, requests }) => [operation, requests]),
    [['ListBuckets', 3]],
  )
  await pruneUse(world, -1)
  assert.deepEqual(await all(), [])
})
