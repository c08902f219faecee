import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, serverBody } from '../testing/compute.ts'

test('a server is accepted, placed, built and then active', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const answer = await member.post('/compute/v2.1/servers', await serverBody(cloud))
  assert.equal(answer.status, 202, answer.text)
  const { id } = answer.json.server
  assert.equal((await member.get(`/compute/v2.1/servers/${id}`)).json.server.status, 'BUILD')
  await cloud.runTasks()
  const { server } = (await member.get(`/compute/v2.1/servers/${id}`)).json
  assert.equal(server.status, 'ACTIVE', JSON.stringify(server.fault))
  assert.equal(server.addresses.private.length, 1)
  assert.deepEqual(server.security_groups, [{ name: 'default' }])
})
