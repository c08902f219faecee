import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { readKeys } from '#lib/key-ring.ts'
import {
  asAdmin,
  made,
  passwordAuth,
  roleId,
  signIn,
  teammate,
  teamProject,
  tokenAuth,
  v3,
  withToken,
} from '../testing.ts'
import { newAuditId, seal } from './sealed.ts'

const team = { project: { id: teamProject } }

test('a password gives a token with roles, catalogue and times in Keystone’s form', async (t) => {
  const cloud = await testCloud(t)
  const id = await teammate(cloud, 'ada')
  const { status, json, headers } = await signIn(
    cloud,
    passwordAuth({ name: 'ada', domain: { name: 'Default' } }, "ada's", team),
  )
  assert.equal(status, 201)
  const { token } = json
  assert.equal(headers['vary'], 'X-Auth-Token')
  assert.equal(token.user.id, id)
  assert.equal(token.project.id, teamProject)
  assert.deepEqual(token.methods, ['password'])
  assert.deepEqual(
    token.roles.map((role: { name: string }) => role.name),
    ['member', 'reader'],
  )
  assert.match(token.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  const identity = token.catalog.find((entry: { type: string }) => entry.type === 'identity')
  assert.equal(identity.endpoints[0].url, 'http://cloud.test/identity')
})

test('an unknown user, a wrong password, a disabled user and an unknown domain get the same answer', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  await teammate(cloud, 'ada')
  await made(admin.post('/users', { user: { name: 'off', password: 'right', enabled: false } }))
  await made(admin.post('/users', { user: { name: 'bare' } }))
  const closed = await made(admin.post('/domains', { domain: { name: 'closed', enabled: false } }))
  await made(admin.post('/users', { user: { name: 'in', password: 'right', domain_id: closed.id } }))
  const home = { id: 'default' }
  const answers = [
    await signIn(cloud, passwordAuth({ name: 'nobody', domain: home }, 'right')),
    await signIn(cloud, passwordAuth({ id: 'nobody' }, 'right')),
    await signIn(cloud, passwordAuth({ name: 'ada', domain: home }, 'wrong')),
    await signIn(cloud, passwordAuth({ name: 'ada', domain: home }, '')),
    await signIn(cloud, passwordAuth({ name: 'off', domain: home }, 'right')),
    await signIn(cloud, passwordAuth({ name: 'bare', domain: home }, 'right')),
    await signIn(cloud, passwordAuth({ name: 'ada', domain: { name: 'nowhere' } }, "ada's")),
    await signIn(cloud, passwordAuth({ name: 'in', domain: { id: closed.id } }, 'right')),
    // right, but for a project that is not there, or not theirs
    await signIn(cloud, passwordAuth({ name: 'ada', domain: home }, "ada's", { project: { id: 'nope' } })),
    await signIn(cloud, passwordAuth({ name: 'ada', domain: home }, "ada's", { project: { id: 'b'.repeat(32) } })),
    await signIn(cloud, passwordAuth({ name: 'ada', domain: home }, "ada's", { domain: { id: 'default' } })),
    await signIn(cloud, passwordAuth({ name: 'ada', domain: home }, "ada's", { system: { all: true } })),
  ]
  for (const answer of answers) {
    assert.equal(answer.status, 401)
    assert.equal(answer.text, answers[0]!.text)
    assert.match(answer.headers['www-authenticate']!, /identity/)
  }
})

test('forged, cut, changed and expired tokens are nobody’s', async (t) => {
  const cloud = await testCloud(t)
  const { token, userId } = cloud.as('member')
  const [key] = await readKeys(cloud.db, 'token')
  const claims = {
    userId,
    scope: { kind: 'project' as const, id: teamProject },
    methods: ['password' as const],
    auditIds: [newAuditId()],
    issuedAtMs: Date.now() - 7_200_000,
    expiresAtMs: Date.now() - 3_600_000,
  }
  const expired = seal(claims, key!)
  const otherKey = seal({ ...claims, expiresAtMs: Date.now() + 60_000 }, { serial: 1, key: Buffer.alloc(32, 7) })
  const otherSerial = seal({ ...claims, expiresAtMs: Date.now() + 60_000 }, { ...key!, serial: 99 })
  const middle = token.length >> 1
  const changed = `${token.slice(0, middle)}${token[middle] === 'A' ? 'B' : 'A'}${token.slice(middle + 1)}`
  const bad = [
    expired,
    otherKey,
    otherSerial,
    changed,
    token.slice(0, -4),
    `${token}A`,
    `${token}=`,
    token.slice(0, 20),
    'AA',
    'x'.repeat(5000),
    '%',
  ]
  for (const each of bad) {
    assert.equal((await withToken(cloud, each).get('/auth/projects')).status, 401)
    const shown = await cloud.as('admin').get(`${v3}/auth/tokens`, { headers: { 'x-subject-token': each } })
    assert.equal(shown.status, 404)
  }
  const late = await cloud
    .as('admin')
    .get(`${v3}/auth/tokens?allow_expired=1`, { headers: { 'x-subject-token': expired } })
  assert.equal(late.status, 200)
  assert.equal(late.json.token.user.id, userId)
})

test('a token without a scope leads to one with a scope, which ends no later', async (t) => {
  const cloud = await testCloud(t)
  await teammate(cloud, 'ada')
  const first = await signIn(cloud, passwordAuth({ name: 'ada', domain: { id: 'default' } }, "ada's", { unscoped: {} }))
  assert.equal(first.json.token.project, undefined)
  assert.equal(first.json.token.catalog, undefined)
  const unscoped = first.headers['x-subject-token']!
  const person = withToken(cloud, unscoped)
  assert.equal((await person.get('/auth/catalog')).status, 403)
  const { projects } = (await person.get('/auth/projects')).json
  assert.deepEqual(
    projects.map((project: { id: string }) => project.id),
    [teamProject],
  )
  const second = await signIn(cloud, tokenAuth(unscoped, team))
  assert.equal(second.status, 201)
  assert.deepEqual(second.json.token.methods, ['password', 'token'])
  assert.equal(second.json.token.expires_at, first.json.token.expires_at)
  assert.equal(second.json.token.audit_ids[1], first.json.token.audit_ids[0])
  // taking back the first leaves the second
  await cloud.as('stranger').delete(`${v3}/auth/tokens`, {
    headers: { 'x-auth-token': unscoped, 'x-subject-token': unscoped },
  })
  assert.equal((await person.get('/auth/projects')).status, 401)
  const { events } = (await asAdmin(cloud).get('/OS-REVOKE/events')).json
  assert.deepEqual(
    events.map((event: { audit_id: string }) => event.audit_id),
    [first.json.token.audit_ids[0]],
  )
  assert.equal((await withToken(cloud, second.headers['x-subject-token']!).get('/auth/catalog')).status, 200)
})

test('domain and system scopes', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const id = await teammate(cloud, 'ada')
  const reader = await roleId(cloud, 'reader')
  await admin.put(`/domains/default/users/${id}/roles/${reader}`)
  await admin.put(`/system/users/${id}/roles/${reader}`)
  const domain = await signIn(cloud, passwordAuth({ id }, "ada's", { domain: { id: 'default' } }))
  assert.deepEqual(domain.json.token.domain, { id: 'default', name: 'Default' })
  const system = await signIn(cloud, passwordAuth({ id }, "ada's", { system: { all: true } }))
  assert.deepEqual(system.json.token.system, { all: true })
  assert.equal(system.json.token.project, undefined)
  // a reader of the system sees and changes nothing
  const person = withToken(cloud, system.headers['x-subject-token']!)
  assert.equal((await person.get('/users')).status, 200)
  assert.equal((await person.post('/users', { user: { name: 'x' } })).status, 403)
})

test('only its owner, an admin and a service may look at a token', async (t) => {
  const cloud = await testCloud(t)
  const look = (who: 'admin' | 'member' | 'other', token: string) =>
    cloud.as(who).get(`${v3}/auth/tokens`, { headers: { 'x-subject-token': token } })
  const { token } = cloud.as('member')
  assert.equal((await look('member', token)).status, 200)
  assert.equal((await look('admin', token)).status, 200)
  assert.equal((await look('other', token)).status, 403)
  const head = await cloud.as('admin').head(`${v3}/auth/tokens`, { headers: { 'x-subject-token': token } })
  assert.deepEqual([head.status, head.text], [200, ''])
})
