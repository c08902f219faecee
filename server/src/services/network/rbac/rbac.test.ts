import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { change, make, netWith, pathOf, post, refused, remove, show, type Thing } from '../testing/calls.ts'

test('a network is shared with one project, and not taken back while it is used', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const other = cloud.as('other')
  const { network, subnet } = await netWith(member, '10.0.0.0/24')
  const policy = await make(member, 'rbac_policy', {
    object_type: 'network',
    object_id: network.id,
    action: 'access_as_shared',
    target_tenant: other.projectId,
  })
  assert.equal((await show(other, 'network', network.id)).shared, true)
  assert.equal((await show(member, 'network', network.id)).shared, false)
  assert.equal((await show(other, 'subnet', subnet.id)).id, subnet.id)
  const shared = await other.get('/network/v2.0/networks?shared=True')
  assert.deepEqual(
    shared.json.networks.map(({ id }: Thing) => id),
    [network.id],
  )
  const port = await make(other, 'port', { network_id: network.id })
  await refused(member.delete(pathOf('rbac_policy', policy.id)), 409, 'RbacPolicyInUse')
  await remove(other, 'port', port.id)
  await remove(member, 'rbac_policy', policy.id)
  await refused(other.get(pathOf('network', network.id)), 404)
})

test('only administrators share with everybody; `shared` and the policies say the same', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const admin = cloud.as('admin')
  const { network } = await netWith(member, '10.0.0.0/24')
  const all = { object_type: 'network', object_id: network.id, action: 'access_as_shared', target_tenant: '*' }
  await refused(post(member, 'rbac_policy', all), 403)
  const policy = await make(admin, 'rbac_policy', all)
  assert.equal((await show(member, 'network', network.id)).shared, true)
  await refused(post(admin, 'rbac_policy', all), 409, 'RbacPolicyExists')
  await remove(admin, 'rbac_policy', policy.id)
  assert.equal((await show(member, 'network', network.id)).shared, false)
  await change(admin, 'network', network.id, { shared: true })
  const policies = (await admin.get(`/network/v2.0/rbac-policies?object_id=${network.id}`)).json.rbac_policies
  assert.deepEqual(
    policies.map(({ target_tenant }: Thing) => target_tenant),
    ['*'],
  )
  const unknown = '01a1fc39-0c39-720a-b991-c4b6bcd079e8'
  await refused(post(admin, 'rbac_policy', { ...all, object_id: unknown }), 404)
  await refused(post(cloud.as('other'), 'rbac_policy', { ...all, target_tenant: 'x' }), 400)
})

test('tags are set, found and removed', async (t) => {
  const cloud = await testCloud(t)
  const member = cloud.as('member')
  const { network } = await netWith(member, '10.0.0.0/24')
  const tags = `${pathOf('network', network.id)}/tags`
  assert.deepEqual((await member.put(tags, { tags: ['red', 'blue'] })).json, { tags: ['red', 'blue'] })
  assert.equal((await member.put(`${tags}/green`)).status, 201)
  assert.equal((await member.get(`${tags}/green`)).status, 204)
  await refused(member.get(`${tags}/pink`), 404, 'TagNotFound')
  const found = async (query: string) => (await member.get(`/network/v2.0/networks?${query}`)).json.networks.length
  assert.deepEqual(
    [
      await found('tags=red,green'),
      await found('tags=red,pink'),
      await found('tags-any=pink,red'),
      await found('not-tags=red'),
    ],
    [1, 0, 1, 0],
  )
  assert.equal((await member.delete(`${tags}/green`)).status, 204)
  assert.equal((await member.delete(tags)).status, 204)
  assert.deepEqual((await show(member, 'network', network.id)).tags, [])
  await refused(cloud.as('other').put(tags, { tags: [] }), 404, 'TagResourceNotFound')
  await refused(cloud.as('reader').put(tags, { tags: [] }), 403)
})
