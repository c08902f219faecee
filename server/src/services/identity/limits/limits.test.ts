import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, teamProject, withToken } from '../testing.ts'

test('limits stand on registered limits', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const service = await made(admin.post('/services', { service: { type: 'weather' } }))
  const spec = { service_id: service.id, resource_name: 'clouds' }
  const own = { ...spec, project_id: teamProject, resource_limit: 5 }
  assert.equal((await admin.post('/limits', { limits: [own] })).status, 403)
  const made1 = await admin.post('/registered_limits', { registered_limits: [{ ...spec, default_limit: 10 }] })
  assert.equal(made1.status, 201)
  const registered = made1.json.registered_limits[0]
  assert.equal(
    (await admin.post('/registered_limits', { registered_limits: [{ ...spec, default_limit: 1 }] })).status,
    409,
  )
  assert.equal(
    (await admin.post('/registered_limits', { registered_limits: [{ ...spec, service_id: 'x', default_limit: 1 }] }))
      .status,
    400,
  )
  const limit = (await admin.post('/limits', { limits: [own] })).json.limits[0]
  assert.equal((await admin.post('/limits', { limits: [own] })).status, 409)
  assert.equal((await admin.delete(`/registered_limits/${registered.id}`)).status, 403)
  const changed = await admin.patch(`/limits/${limit.id}`, { limit: { resource_limit: 7 } })
  assert.equal(changed.json.limit.resource_limit, 7)
  const member = withToken(cloud, cloud.as('member').token)
  const other = withToken(cloud, cloud.as('other').token)
  assert.equal((await member.get('/limits')).json.limits.length, 1)
  assert.equal((await member.get(`/limits/${limit.id}`)).status, 200)
  assert.equal((await other.get('/limits')).json.limits.length, 0)
  assert.equal((await other.get(`/limits/${limit.id}`)).status, 403)
  assert.equal((await other.get('/registered_limits')).json.registered_limits.length, 1)
  assert.equal((await admin.delete(`/limits/${limit.id}`)).status, 204)
  assert.equal((await admin.delete(`/registered_limits/${registered.id}`)).status, 204)
})

test('strict_two_level: what a domain may have bounds its projects', async (t) => {
  const cloud = await testCloud(t, { limitModel: 'strict_two_level' })
  const admin = asAdmin(cloud)
  assert.equal((await admin.get('/limits/model')).json.model.name, 'strict_two_level')
  const { id: serviceId } = await made(admin.post('/services', { service: { type: 'toys', name: 'toys' } }))
  const resource = { service_id: serviceId, resource_name: 'bricks' }
  await admin.post('/registered_limits', { registered_limits: [{ ...resource, default_limit: 10 }] })
  const domain = await made(admin.post('/domains', { domain: { name: 'd' } }))
  const project = await made(admin.post('/projects', { project: { name: 'p', domain_id: domain.id } }))
  const below = await made(admin.post('/projects', { project: { name: 'q', parent_id: project.id } }))
  const limit = (of: object, amount: number) =>
    admin.post('/limits', { limits: [{ ...resource, ...of, resource_limit: amount }] })

  assert.equal((await limit({ project_id: project.id }, 11)).status, 403, 'the registered limit bounds it')
  assert.equal((await limit({ project_id: below.id }, 1)).status, 403, 'a third level')
  const both = [
    { ...resource, project_id: project.id, resource_limit: 30 },
    { ...resource, domain_id: domain.id, resource_limit: 40 },
  ]
  const made2 = await admin.post('/limits', { limits: both })
  assert.equal(made2.status, 201, made2.text)
  const [ofDomain, ofProject] = made2.json.limits as { id: string }[]
  const change = async (of: { id: string }, amount: number) =>
    (await admin.patch(`/limits/${of.id}`, { limit: { resource_limit: amount } })).status
  assert.equal(await change(ofDomain!, 29), 403)
  assert.equal(await change(ofDomain!, 30), 200)
  assert.equal(await change(ofProject!, 31), 403)
  assert.equal(await change(ofProject!, -1), 403)
  assert.equal(await change(ofDomain!, -1), 200)
  assert.equal(await change(ofProject!, 1000), 200)
})
