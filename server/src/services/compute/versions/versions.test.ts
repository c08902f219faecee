import assert from 'node:assert/strict'
import { test } from 'node:test'
import { computeCloud, makeServer } from '../testing/compute.ts'

test('both versions are listed, each where its link leads, and the older address answers too', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const { versions } = (await member.get('/compute')).json
  assert.deepEqual(
    versions.map((each: { id: string }) => each.id),
    ['v2.0', 'v2.1'],
  )
  for (const { id, links } of versions) {
    const { version } = (await member.get(new URL(links[0].href).pathname)).json
    assert.deepEqual([version.id, version.links[0]], [id, links[0]])
  }
  const id = await makeServer(cloud)
  assert.equal((await member.get(`/compute/v2/servers/${id}`)).json.server.id, id)
  assert.equal((await member.get('/compute/v2/nothing')).status, 404)
  assert.equal((await cloud.as('stranger').get('/compute/v2/servers')).status, 401)
  assert.equal((await cloud.as('admin').get('/compute/v2.1/os-simple-tenant-usage/')).status, 404)
})

test('a resize over the quota, to the same flavor or in the wrong state is refused for that', async (t) => {
  const cloud = await computeCloud(t)
  const member = cloud.as('member')
  const id = await makeServer(cloud)
  const huge = { name: 'huge', ram: 128, vcpus: 500, disk: 1, id: 'huge' }
  const small = { name: 'small', ram: 64, vcpus: 1, disk: 1, id: 'small' }
  for (const flavor of [huge, small])
    assert.equal((await cloud.as('admin').post('/compute/v2.1/flavors', { flavor })).status, 200)
  const act = async (body: unknown) => (await member.post(`/compute/v2.1/servers/${id}/action`, body)).status
  assert.equal(await act({ resize: { flavorRef: 'huge' } }), 403)
  assert.equal(await act({ resize: { flavorRef: cloud.flavorId } }), 400)
  assert.equal(await act({ resize: { flavorRef: 'small' } }), 400)
  assert.equal(await act({ suspend: null }), 202)
  await cloud.runTasks()
  assert.equal(await act({ resize: { flavorRef: 'small' } }), 409)
})
