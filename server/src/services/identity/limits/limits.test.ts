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
