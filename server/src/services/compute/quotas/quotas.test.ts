import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, makeServer, serverBody } from '../testing/compute.ts'

test('quotas are shown, changed, enforced and shared out', async (t) => {
  const cloud = await computeCloud(t)
  const admin = cloud.as('admin')
  const member = cloud.as('member')
  const at = `/compute/v2.1/os-quota-sets/${member.projectId}`
  assert.equal((await member.get(at)).json.quota_set.instances, 10)
  assert.equal((await member.put(at, { quota_set: { instances: 2 } })).status, 403)
  assert.equal((await admin.put(at, { quota_set: { instances: 2 } })).json.quota_set.instances, 2)
  assert.equal((await cloud.as('other').get(at)).status, 403)
  await makeServer(cloud)
  // three are wished and one is enough: the quota leaves one
  const many = await member.post('/compute/v2.1/servers', serverBody(cloud, { min_count: 1, max_count: 3 }))
  assert.equal(many.status, 202, many.text)
  await cloud.runTasks()
  const { servers } = (await member.get('/compute/v2.1/servers')).json
  assert.equal(servers.length, 2)
  const over = await member.post('/compute/v2.1/servers', serverBody(cloud))
  assert.deepEqual([over.status, over.json.forbidden.code], [403, 403])
  const { absolute } = (await member.get('/compute/v2.1/limits')).json.limits
  assert.deepEqual([absolute.maxTotalInstances, absolute.totalInstancesUsed, absolute.totalCoresUsed], [2, 2, 2])
  assert.equal((await admin.put(at, { quota_set: { instances: 1 } })).status, 400)
  assert.equal((await admin.put(at, { quota_set: { instances: 1, force: true } })).status, 200)
  assert.equal((await admin.put(at, { quota_set: { planets: 1 } })).status, 400)
  assert.equal((await admin.delete(at)).status, 202)
  assert.equal((await member.get(at)).json.quota_set.instances, 10)
})
