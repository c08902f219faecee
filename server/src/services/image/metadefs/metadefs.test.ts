import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'

const at = '/image/v2/metadefs'

test('a namespace with its objects, properties, tags and resource types', async (t) => {
  const cloud = await testCloud(t)
  const admin = cloud.as('admin')
  const made = await admin.post(`${at}/namespaces`, {
    namespace: 'hw',
    visibility: 'public',
    protected: true,
    resource_type_associations: [{ name: 'OS::Glance::Image', prefix: 'hw_' }],
  })
  assert.equal(made.status, 201, made.text)
  assert.equal((await admin.post(`${at}/namespaces`, { namespace: 'hw' })).status, 409)
  const object = await admin.post(`${at}/namespaces/hw/objects`, {
    name: 'cpu',
    properties: { cores: { title: 'Cores', type: 'integer' } },
  })
  assert.deepEqual([object.status, object.json.self], [201, '/v2/metadefs/namespaces/hw/objects/cpu'])
  assert.equal((await admin.put(`${at}/namespaces/hw/objects/cpu`, { name: 'cpus' })).json.name, 'cpus')
  assert.equal(
    (await admin.post(`${at}/namespaces/hw/properties`, { name: 'vendor', title: 'Vendor', type: 'string' })).status,
    201,
  )
  assert.deepEqual((await admin.get(`${at}/namespaces/hw/properties`)).json.properties.vendor, {
    title: 'Vendor',
    type: 'string',
  })
  assert.deepEqual((await admin.post(`${at}/namespaces/hw/tags`, { tags: [{ name: 'a' }, { name: 'b' }] })).json.tags, [
    { name: 'a' },
    { name: 'b' },
  ])
  assert.equal((await admin.put(`${at}/namespaces/hw/tags/a`, { name: 'c' })).json.name, 'c')
  assert.equal((await admin.delete(`${at}/namespaces/hw/tags/b`)).status, 204)
  assert.deepEqual(
    (await admin.get(`${at}/namespaces/hw/resource_types`)).json.resource_type_associations.map(
      (a: { name: string }) => a.name,
    ),
    ['OS::Glance::Image'],
  )
  const shown = (await cloud.as('other').get(`${at}/namespaces/hw`)).json
  assert.deepEqual([shown.objects.length, shown.tags], [1, [{ name: 'c' }]])
  assert.equal((await admin.delete(`${at}/namespaces/hw`)).status, 403)
  assert.equal((await admin.put(`${at}/namespaces/hw`, { namespace: 'hw', protected: false })).status, 200)
  assert.equal((await admin.delete(`${at}/namespaces/hw`)).status, 204)
  assert.equal((await admin.get(`${at}/namespaces/hw`)).status, 404)
})

test('private namespaces are their owners’, and only administrators write', async (t) => {
  const cloud = await testCloud(t)
  assert.equal((await cloud.as('member').post(`${at}/namespaces`, { namespace: 'mine' })).status, 403)
  assert.equal((await cloud.as('admin').post(`${at}/namespaces`, { namespace: 'secret' })).status, 201)
  assert.equal((await cloud.as('other').get(`${at}/namespaces/secret`)).status, 404)
  assert.deepEqual((await cloud.as('other').get(`${at}/namespaces`)).json.namespaces, [])
  assert.ok((await cloud.as('member').get(`${at}/resource_types`)).json.resource_types.length >= 6)
})
