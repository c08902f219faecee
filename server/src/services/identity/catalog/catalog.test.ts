import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, teamProject, withToken } from '../testing.ts'

interface Entry {
  type: string
  endpoints: { url: string; id: string }[]
}

test('regions, services and endpoints make the catalogue', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const region = await made(admin.post('/regions', { region: { id: 'far', description: 'far away' } }))
  const below = await made(admin.put('/regions/farther', { region: { parent_region_id: region.id } }))
  assert.equal((await admin.post('/regions', { region: { id: 'far' } })).status, 409)
  assert.equal((await admin.post('/regions', { region: { parent_region_id: 'nowhere' } })).status, 404)
  assert.equal((await admin.patch('/regions/far', { region: { parent_region_id: below.id } })).status, 400)
  const service = await made(admin.post('/services', { service: { type: 'weather', name: 'rain' } }))
  const spec = { service_id: service.id, interface: 'public', url: 'http://rain/$(project_id)s', region_id: 'far' }
  for (const wrong of [
    { url: 'nonsense' },
    { url: 'http://x/$(secret)s' },
    { interface: 'outside' },
    { service_id: 'f'.repeat(32) },
    { region_id: 'nowhere' },
    { enabled: 'yes' },
  ])
    assert.equal((await admin.post('/endpoints', { endpoint: { ...spec, ...wrong } })).status, 400)
  const endpoint = await made(admin.post('/endpoints', { endpoint: spec }))
  const seen = async () => {
    const { catalog } = (await withToken(cloud, cloud.as('member').token).get('/auth/catalog')).json
    return (catalog as Entry[]).find(({ type }) => type === 'weather')
  }
  assert.equal((await seen())!.endpoints[0]!.url, `http://rain/${teamProject}`)
  assert.equal((await admin.delete('/regions/far')).status, 403)
  await admin.patch(`/endpoints/${endpoint.id}`, { endpoint: { enabled: false } })
  assert.deepEqual((await seen())!.endpoints, [])
  await admin.patch(`/services/${service.id}`, { service: { enabled: false } })
  assert.equal(await seen(), undefined)
  assert.equal((await admin.delete(`/services/${service.id}`)).status, 204)
  assert.equal((await admin.get(`/endpoints/${endpoint.id}`)).status, 404)
  assert.equal((await admin.delete('/regions/far')).status, 204)
  assert.equal((await admin.get('/regions/farther')).status, 404)
  assert.equal((await withToken(cloud, cloud.as('member').token).get('/services')).status, 403)
})

test('our own endpoints are shown as clients reach them', async (t) => {
  const cloud = await testCloud(t)
  const { endpoints } = (await asAdmin(cloud).get('/endpoints?interface=public')).json
  assert.ok(endpoints.every(({ url }: { url: string }) => url.startsWith('http://cloud.test/')))
})

test('a project that was given endpoints sees these and no others', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const services = (await admin.get('/services?type=identity')).json.services as { id: string }[]
  const group = await made(
    admin.post('/OS-EP-FILTER/endpoint_groups', {
      endpoint_group: { name: 'only identity', filters: { service_id: services[0]!.id, interface: 'public' } },
    }),
  )
  const all = async () =>
    ((await withToken(cloud, cloud.as('member').token).get('/auth/catalog')).json.catalog as Entry[]).flatMap(
      ({ endpoints }) => endpoints,
    ).length
  assert.ok((await all()) > 1)
  const path = `/OS-EP-FILTER/endpoint_groups/${group.id}/projects/${teamProject}`
  assert.equal((await admin.put(path)).status, 204)
  assert.equal((await admin.get(path)).status, 200)
  assert.equal(await all(), 1)
  const listed = (await admin.get(`/OS-EP-FILTER/projects/${teamProject}/endpoints`)).json.endpoints
  assert.equal(listed.length, 1)
  assert.equal((await admin.delete(path)).status, 204)
  assert.ok((await all()) > 1)
})

test('domains have options of their own; secrets go in and never come out', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const { id } = await made(admin.post('/domains', { domain: { name: 'd' } }))
  const config = { ldap: { url: 'ldap://x', password: 'hidden' } }
  const created = await admin.put(`/domains/${id}/config`, { config })
  assert.equal(created.status, 201)
  assert.deepEqual(created.json.config, { ldap: { url: 'ldap://x' } })
  assert.equal((await admin.put(`/domains/${id}/config`, { config: { ldap: { sea: 1 } } })).status, 403)
  assert.equal((await admin.get(`/domains/${id}/config/ldap/password`)).status, 404)
  assert.deepEqual((await admin.get(`/domains/${id}/config/ldap/url`)).json.config, { url: 'ldap://x' })
  assert.equal(
    (await admin.patch(`/domains/${id}/config/identity`, { config: { identity: { driver: 'x' } } })).status,
    404,
  )
  assert.equal((await admin.get('/domains/config/ldap/url/default')).json.config.url, 'ldap://localhost')
  assert.equal((await admin.delete(`/domains/${id}/config`)).status, 204)
  assert.equal((await admin.get(`/domains/${id}/config`)).status, 404)
})
