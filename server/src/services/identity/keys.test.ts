import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeApp } from '#app'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { addKey, dropOldKeys, readKeys } from '#lib/key-ring.ts'
import { asAdmin, made, passwordAuth, roleId, teammate, tokenFor, v3, withToken } from './testing.ts'

test('new keys log nobody out, in no process, and credentials stay readable', async (t) => {
  const cloud = await testCloud(t)
  const log = makeLog('test', 'error')
  const second = makeApp(openDatabase(cloud.url, log, { connections: 2 }), cloud.app.world.config, log)
  await second.server.ready()
  t.after(() => second.close())
  const id = await teammate(cloud, 'ada')
  const admin = asAdmin(cloud)
  await admin.put(`/system/users/${id}/roles/${await roleId(cloud, 'admin')}`)
  const before = await tokenFor(cloud, passwordAuth({ id }, "ada's", { system: { all: true } }))
  const credential = await made(admin.post('/credentials', { credential: { type: 'cert', blob: 'kept', user_id: id } }))
  const domain = await made(admin.post('/domains', { domain: { name: 'd' } }))
  await admin.put(`/domains/${domain.id}/config`, { config: { ldap: { password: 'kept' } } })
  assert.equal((await admin.post('/keys/rotate')).status, 403) // an admin of a project only

  const person = withToken(cloud, before)
  const first = await person.post('/keys/rotate')
  assert.deepEqual(first.json.keys, { token: 2, credential: 2, resealed: 2 })
  assert.equal((await person.post('/keys/rotate')).json.keys.token, 3)
  assert.equal((await person.get('/auth/catalog')).status, 200)
  assert.equal((await person.get(`/credentials/${credential.id}`)).json.credential.blob, 'kept')
  const after = await tokenFor(cloud, passwordAuth({ id }, "ada's", { system: { all: true } }))
  const there = await second.server.inject({ url: `${v3}/auth/catalog`, headers: { 'x-auth-token': after } })
  assert.equal(there.statusCode, 200)
  assert.equal((await readKeys(cloud.db, 'token')).length, 3)
})

test('old keys go, the one in use never does, and serials come round', async (t) => {
  const cloud = await testCloud(t)
  await cloud.db.transaction(async (tx) => {
    for (let i = 0; i < 4; i++) await addKey(tx, 'token')
    await dropOldKeys(tx, 'token', 60_000)
    assert.equal((await readKeys(tx, 'token')).length, 5)
    await dropOldKeys(tx, 'token', -60_000)
    assert.equal((await readKeys(tx, 'token')).length, 1)
  })
})
