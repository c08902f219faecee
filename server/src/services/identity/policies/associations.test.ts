import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, v3 } from '../testing.ts'

test('the nearest policy counts: of the endpoint, of its service in a region around it, of its service', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const policy = async (blob: string) =>
    (await made(admin.post('/policies', { policy: { blob, type: 'text/plain' } }))).id
  const [far, near, own] = [await policy('far'), await policy('near'), await policy('own')]
  await made(admin.post('/regions', { region: { id: 'land' } }))
  await made(admin.post('/regions', { region: { id: 'town', parent_region_id: 'land' } }))
  const service = await made(admin.post('/services', { service: { type: 'toys', name: 'toys' } }))
  const endpoint = await made(
    admin.post('/endpoints', {
      endpoint: { service_id: service.id, region_id: 'town', interface: 'public', url: 'http://toys.test' },
    }),
  )
  const path = (id: string, below: string) => `/policies/${id}/OS-ENDPOINT-POLICY${below}`
  const counts = async () =>
    (await admin.get(`/endpoints/${endpoint.id}/OS-ENDPOINT-POLICY/policy`)).json.policy?.blob as string | undefined
  assert.equal(await counts(), undefined)
  assert.equal((await admin.put(path(far, `/services/${service.id}`))).status, 204)
  assert.equal(await counts(), 'far')
  assert.equal((await admin.put(path(near, `/services/${service.id}/regions/land`))).status, 204)
  assert.equal(await counts(), 'near')
  assert.equal((await admin.put(path(own, `/endpoints/${endpoint.id}`))).status, 204)
  assert.equal(await counts(), 'own')
  const endpoints = async (id: string) =>
    (await admin.get(path(id, '/endpoints'))).json.endpoints.map((each: { id: string }) => each.id) as string[]
  assert.deepEqual([await endpoints(own), await endpoints(near)], [[endpoint.id], []])
  assert.equal((await admin.get(path(near, `/endpoints/${endpoint.id}`))).status, 404)
  assert.equal((await admin.delete(path(own, `/endpoints/${endpoint.id}`))).status, 204)
  assert.deepEqual(await endpoints(near), [endpoint.id])
  assert.equal((await admin.delete(`/policies/${near}`)).status, 204)
  assert.equal(await counts(), 'far')
})

test('certificates of PKI tokens are gone', async (t) => {
  const cloud = await testCloud(t)
  assert.equal((await cloud.as('stranger').get(`${v3}/OS-SIMPLE-CERT/ca`)).status, 410)
  assert.equal((await cloud.as('stranger').get(`${v3}/OS-SIMPLE-CERT/certificates`)).status, 410)
})
