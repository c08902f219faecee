import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, emptyWorld, serverBody } from '../testing/compute.ts'

test('a server deleted while its host works on it leaves nothing', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const { id } = (await member.post('/compute/v2.1/servers', serverBody(cloud))).json.server
  // deleted in the middle: behind the placement, before the machine is built
  let deleted = false
  await cloud.runTasks({
    crash(task, step) {
      if (task.kind !== 'server.create' || step !== 'place' || deleted) return undefined
      deleted = true
      return 'after'
    },
  })
  assert.equal((await member.delete(`/compute/v2.1/servers/${id}`)).status, 204)
  assert.equal((await member.delete(`/compute/v2.1/servers/${id}`)).status, 204)
  await cloud.runTasks()
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).status, 404)
  await emptyWorld(cloud)
})

test('a host that is away keeps a server waiting until it is back', async (t) => {
  const cloud = await computeCloud(t, { simHosts: 1 })
  const member = cloud.as('member')
  await cloud.app.sim!.failures.hostDown('sim-0001', true)
  const { id } = (await member.post('/compute/v2.1/servers', serverBody(cloud))).json.server
  await assert.rejects(cloud.runTasks(), /do not come to an end/)
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'BUILD')
  await cloud.app.sim!.failures.hostDown('sim-0001', false)
  await cloud.runTasks()
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'ACTIVE')
})
