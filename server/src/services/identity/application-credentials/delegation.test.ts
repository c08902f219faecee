import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeApp } from '#app'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { wayTo } from '#lib/testing/way.ts'
import {
  asAdmin,
  made,
  passwordAuth,
  roleId,
  signIn,
  teammate,
  teamProject,
  tokenAuth,
  tokenFor,
  v3,
  withToken,
} from '../testing.ts'

const team = { project: { id: teamProject } }
const withSecret = (id: string, secret: string, scope?: object) => ({
  auth: {
    identity: { methods: ['application_credential'], application_credential: { id, secret } },
    ...(scope && { scope }),
  },
})

test('an application credential signs in for its project, with its roles, and may not make more of its kind', async (t) => {
  const cloud = await testCloud(t)
  const id = await teammate(cloud, 'ada')
  const ada = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, "ada's", team)))
  const path = `/users/${id}/application_credentials`
  const spec = { name: 'robot', roles: [{ name: 'reader' }] }
  const robot = await made(ada.post(path, { application_credential: spec }))
  assert.equal((await ada.post(path, { application_credential: spec })).status, 409)
  assert.equal((await ada.post(path, { application_credential: { ...spec, roles: [{ name: 'admin' }] } })).status, 400)
  const past = { ...spec, name: 'late', expires_at: '2001-01-01T00:00:00Z' }
  assert.equal((await ada.post(path, { application_credential: past })).status, 400)
  assert.equal('secret' in (await ada.get(`${path}/${robot.id}`)).json.application_credential, false)
  assert.equal((await withToken(cloud, cloud.as('other').token).get(`${path}/${robot.id}`)).status, 403)

  const { status, json, headers } = await signIn(cloud, withSecret(robot.id, String(robot['secret'])))
  assert.equal(status, 201)
  assert.deepEqual(
    json.token.roles.map((role: { name: string }) => role.name),
    ['reader'],
  )
  assert.deepEqual(json.token.application_credential, { id: robot.id, name: 'robot', restricted: true })
  assert.equal((await signIn(cloud, withSecret(robot.id, 'wrong'))).status, 401)
  assert.equal((await signIn(cloud, withSecret('unknown', 'wrong'))).status, 401)

  const token = headers['x-subject-token']!
  const made2 = await withToken(cloud, token).post(path, { application_credential: { name: 'child' } })
  assert.equal(made2.status, 403)
  // nor does its token lead anywhere else
  const elsewhere = tokenAuth(token, { project: { id: 'b'.repeat(32) } })
  assert.equal((await signIn(cloud, elsewhere)).status, 401)
  const again = await signIn(cloud, tokenAuth(token, team))
  assert.equal(again.json.token.application_credential.id, robot.id)
  await ada.delete(`${path}/${robot.id}`)
  assert.equal((await withToken(cloud, token).get('/auth/catalog')).status, 401)
})

test('by name, a credential of an unknown user costs what one of a known user costs', async (t) => {
  const cloud = await testCloud(t)
  const id = await teammate(cloud, 'ada')
  const ada = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, "ada's", team)))
  const robot = await made(
    ada.post(`/users/${id}/application_credentials`, { application_credential: { name: 'robot' } }),
  )
  const log = makeLog('test', 'fatal')
  const way = await wayTo(t, cloud.url)
  const app = makeApp(openDatabase(way.url, log, { connections: 1 }), cloud.app.world.config, log)
  t.after(() => app.close())
  await app.server.ready()
  /** The status, and how many packets the database was sent, the record of it included. */
  const named = async (user: object, name: string, secret: string) => {
    const identity = { methods: ['application_credential'], application_credential: { name, user, secret } }
    const ask = async () => {
      const before = way.packetsWithout('pileus-ears')
      const { statusCode } = await app.server.inject({
        method: 'POST',
        url: `${v3}/auth/tokens`,
        payload: { auth: { identity } },
      })
      await app.audit.flush()
      return [statusCode, way.packetsWithout('pileus-ears') - before]
    }
    await ask() // a statement that is new to a connection is sent apart
    return ask()
  }
  const domain = { name: 'Default' }
  const [status] = await named({ name: 'ada', domain }, 'robot', String(robot['secret']))
  assert.equal(status, 201)
  const known = await named({ name: 'ada', domain }, 'robot', 'wrong')
  assert.equal(known[0], 401)
  assert.ok(known[1]! > 0)
  assert.deepEqual(await named({ id: 'nobody' }, 'robot', 'wrong'), await named({ id }, 'robot', 'wrong'))
  for (const user of [
    { name: 'nobody', domain },
    { name: 'ada', domain: { name: 'nowhere' } },
  ])
    assert.deepEqual(await named(user, 'robot', 'wrong'), known)
  assert.deepEqual(await named({ name: 'ada', domain }, 'unknown', 'wrong'), known)
})

test('with access rules nothing else is allowed, whatever service is asked', async (t) => {
  const cloud = await testCloud(t)
  const id = await teammate(cloud, 'ada')
  const ada = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, "ada's", team)))
  const path = `/users/${id}/application_credentials`
  const rule = { service: 'identity', method: 'GET', path: '/v3/users/*' }
  const spec = { name: 'narrow', unrestricted: true, access_rules: [rule] }
  const narrow = await made(ada.post(path, { application_credential: spec }))
  const { headers } = await signIn(cloud, withSecret(narrow.id, String(narrow['secret'])))
  const robot = withToken(cloud, headers['x-subject-token']!)
  assert.equal((await robot.get(`/users/${id}`)).status, 200)
  assert.equal((await robot.get(`/users/${id}/projects`)).status, 401)
  assert.equal((await robot.get('/auth/catalog')).status, 401)
  assert.equal((await robot.patch(`/users/${id}`, { user: {} })).status, 401)
  const tasks = await cloud.as('stranger').get('/tasks', { headers: { 'x-auth-token': headers['x-subject-token']! } })
  assert.equal(tasks.status, 401)

  const [kept] = (await ada.get(`/users/${id}/access_rules`)).json.access_rules
  assert.equal((await ada.delete(`/users/${id}/access_rules/${kept.id}`)).status, 403)
  await ada.delete(`${path}/${narrow.id}`)
  assert.equal((await ada.delete(`/users/${id}/access_rules/${kept.id}`)).status, 204)
})

test('a trust lends some roles in a project, counts its uses, and ends with its trustor', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const trustor = await teammate(cloud, 'ada')
  const trustee = await made(admin.post('/users', { user: { name: 'bob', password: 'pw' } }))
  const ada = withToken(cloud, await tokenFor(cloud, passwordAuth({ id: trustor }, "ada's", team)))
  const spec = {
    trustor_user_id: trustor,
    trustee_user_id: trustee.id,
    project_id: teamProject,
    impersonation: true,
    roles: [{ name: 'reader' }],
  }
  const create = (more: object) => ada.post('/OS-TRUST/trusts', { trust: { ...spec, ...more } })
  assert.equal((await create({ roles: [{ id: await roleId(cloud, 'admin') }] })).status, 404)
  assert.equal((await create({ roles: [] })).status, 403)
  assert.equal((await create({ trustor_user_id: trustee.id })).status, 403)
  assert.equal((await create({ expires_at: 'bad.123Z' })).status, 400)
  const trust = await made(create({ remaining_uses: 1 }))
  const use = (id: string) => signIn(cloud, passwordAuth({ id: trustee.id }, 'pw', { 'OS-TRUST:trust': { id } }))
  const { json, headers } = await use(trust.id)
  assert.equal(json.token.user.id, trustor)
  assert.equal(json.token['OS-TRUST:trust'].trustee_user.id, trustee.id)
  assert.deepEqual(
    json.token.roles.map((role: { name: string }) => role.name),
    ['reader'],
  )
  assert.equal((await use(trust.id)).status, 403)
  assert.equal((await ada.get(`/OS-TRUST/trusts/${trust.id}`)).status, 404)
  // the token of the last use lives on, and cannot be turned into another one
  const bob = withToken(cloud, headers['x-subject-token']!)
  assert.equal((await bob.get('/auth/catalog')).status, 200)
  assert.equal((await signIn(cloud, tokenAuth(headers['x-subject-token']!, team))).status, 403)
  assert.equal(
    (await bob.post(`/users/${trustor}/application_credentials`, { application_credential: { name: 'x' } })).status,
    403,
  )

  const plain = await made(create({ impersonation: false }))
  assert.equal((await use(plain.id)).json.token.user.id, trustee.id)
  const other = cloud.as('other')
  assert.equal((await other.get(`${v3}/OS-TRUST/trusts/${plain.id}`)).status, 403)
  await admin.patch(`/users/${trustor}`, { user: { enabled: false } })
  assert.equal((await bob.get('/auth/catalog')).status, 401)
  assert.equal((await use(plain.id)).status, 401)
})

test('a trust is handed on only as far as it allows', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const trustor = await teammate(cloud, 'ada')
  const bob = await made(admin.post('/users', { user: { name: 'bob', password: 'pw' } }))
  const eve = await made(admin.post('/users', { user: { name: 'eve', password: 'pw' } }))
  const ada = withToken(cloud, await tokenFor(cloud, passwordAuth({ id: trustor }, "ada's", team)))
  const spec = {
    trustor_user_id: trustor,
    trustee_user_id: bob.id,
    project_id: teamProject,
    impersonation: true,
    roles: [{ name: 'reader' }],
  }
  const closed = await made(ada.post('/OS-TRUST/trusts', { trust: spec }))
  const opened = await made(
    ada.post('/OS-TRUST/trusts', { trust: { ...spec, allow_redelegation: true, redelegation_count: 1 } }),
  )
  const asBob = async (id: string) =>
    withToken(cloud, await tokenFor(cloud, passwordAuth({ id: bob.id }, 'pw', { 'OS-TRUST:trust': { id } })))
  const next = { ...spec, trustee_user_id: eve.id }
  assert.equal((await (await asBob(closed.id)).post('/OS-TRUST/trusts', { trust: next })).status, 403)
  const handed = await (await asBob(opened.id)).post('/OS-TRUST/trusts', { trust: next })
  assert.equal(handed.json.trust.redelegated_trust_id, opened.id)
  assert.equal(handed.json.trust.redelegation_count, 0)
  const wider = { ...next, roles: [{ name: 'member' }] }
  assert.equal((await (await asBob(opened.id)).post('/OS-TRUST/trusts', { trust: wider })).status, 403)
  const asEve = passwordAuth({ id: eve.id }, 'pw', { 'OS-TRUST:trust': { id: handed.json.trust.id } })
  const token = await tokenFor(cloud, asEve)
  assert.equal((await withToken(cloud, token).get('/auth/catalog')).status, 200)
  await ada.delete(`/OS-TRUST/trusts/${opened.id}`)
  assert.equal((await withToken(cloud, token).get('/auth/catalog')).status, 401)
})
