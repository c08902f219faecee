import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

test('flavors are made by admins, seen by those they are for, and refused with a reason', async (t) => {
  const cloud = await testCloud(t)
  const admin = cloud.as('admin').version('compute 2.61')
  const member = cloud.as('member').version('compute 2.61')
  const flavor = { name: 'small', ram: '512', vcpus: 1, disk: 1, swap: 64, id: 'small' }
  const made = await admin.post('/compute/v2.1/flavors', { flavor })
  assert.deepEqual([made.status, made.json.flavor.ram, made.json.flavor.swap], [200, 512, 64])
  assert.equal((await admin.post('/compute/v2.1/flavors', { flavor })).status, 409)
  assert.equal((await member.post('/compute/v2.1/flavors', { flavor: { ...flavor, id: 'x' } })).status, 403)
  const wrong = [
    { ram: 0 },
    { ram: 'much' },
    { vcpus: -1 },
    { disk: 2 ** 31 },
    { name: ' a' },
    { id: 'a/b' },
    { wings: 2 },
  ]
  for (const more of wrong) {
    const answer = await admin.post('/compute/v2.1/flavors', { flavor: { ...flavor, name: 'n', id: 'n', ...more } })
    assert.equal(answer.status, 400, JSON.stringify(more))
  }
  const hidden = { ...flavor, name: 'hidden', id: 'hidden', 'os-flavor-access:is_public': false }
  assert.equal((await admin.post('/compute/v2.1/flavors', { flavor: hidden })).status, 200)
  assert.equal((await member.get('/compute/v2.1/flavors/hidden')).status, 404)
  const give = { addTenantAccess: { tenant: member.projectId } }
  assert.equal((await admin.post('/compute/v2.1/flavors/hidden/action', give)).status, 200)
  assert.equal((await admin.post('/compute/v2.1/flavors/hidden/action', give)).status, 409)
  assert.equal((await member.get('/compute/v2.1/flavors/hidden')).status, 200)
  const specs = { extra_specs: { 'hw:cpu_policy': 'shared' } }
  assert.equal((await admin.post('/compute/v2.1/flavors/small/os-extra_specs', specs)).status, 200)
  assert.deepEqual((await member.get('/compute/v2.1/flavors/small')).json.flavor.extra_specs, specs.extra_specs)
  const latest = cloud.as('admin').version('compute 2.86')
  const typo = { extra_specs: { 'hw:cpu_polcy': 'shared' } }
  assert.equal((await latest.post('/compute/v2.1/flavors/small/os-extra_specs', typo)).status, 400)
  assert.equal((await admin.delete('/compute/v2.1/flavors/small/os-extra_specs/hw:cpu_policy')).status, 200)
  assert.equal((await admin.get('/compute/v2.1/flavors?minRam=much')).status, 400)
  assert.deepEqual((await member.get('/compute/v2.1/flavors?minDisk=2')).json.flavors, [])
  assert.equal((await admin.delete('/compute/v2.1/flavors/small')).status, 202)
  assert.equal((await member.get('/compute/v2.1/flavors/small')).status, 404)
})
