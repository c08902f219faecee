import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, makeServer } from '../testing/compute.ts'
import { purgeServers } from './purge.ts'

test('rows of servers go when they were deleted long enough ago, in as many statements as it takes', async (t) => {
  const cloud = await computeCloud(t)
  const [member, admin] = [cloud.as('member'), cloud.as('admin')]
  const living = await makeServer(cloud)
  for (let i = 0; i < 3; i++) {
    const id = await makeServer(cloud)
    assert.equal((await member.delete(`/compute/v2.1/servers/${id}`)).status, 204)
    await cloud.runTasks()
  }
  const deleted = async () =>
    (await admin.get('/compute/v2.1/servers?deleted=True&all_tenants=1')).json.servers.length as number
  assert.equal(await deleted(), 3)
  const inDays = (days: number) => ({ now: new Date(Date.now() + days * 86_400_000), batch: 2 })
  assert.equal(await purgeServers(cloud.db, 'local', 30, inDays(29)), 0)
  assert.equal(await purgeServers(cloud.db, 'local', 0, inDays(400)), 0)
  assert.equal(await purgeServers(cloud.db, 'elsewhere', 30, inDays(31)), 0)
  assert.equal(await deleted(), 3)
  assert.equal(await purgeServers(cloud.db, 'local', 30, inDays(31)), 3)
  assert.equal(await deleted(), 0)
  assert.equal((await member.get(`/compute/v2.1/servers/${living}`)).status, 200)
})
