import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, roleId, signIn, teammate, teamProject, tokenFor, withToken } from '../testing.ts'

test('a user is made, shown, changed and deleted', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const spec = {
    name: 'ada',
    password: 'secret',
    email: 'ada@example.org',
    description: 'first',
    default_project_id: teamProject,
    options: { lock_password: true, ignore_password_expiry: null },
    shoe_size: 38,
  }
  const user = await made(admin.post('/users', { user: spec }))
  assert.equal(user['shoe_size'], 38)
  assert.deepEqual(user['options'], { lock_password: true })
  assert.equal(user['domain_id'], 'default')
  assert.equal('password' in user, false)
  assert.deepEqual((await admin.get(`/users/${user.id}`)).json.user, user)
  const changed = await admin.patch(`/users/${user.id}`, { user: { name: 'ada2', shoe_size: 39, email: null } })
  assert.deepEqual(
    [changed.json.user.name, changed.json.user.shoe_size, changed.json.user.email],
    ['ada2', 39, undefined],
  )
  assert.equal((await admin.post('/users', { user: { name: 'ada2' } })).status, 409)
  assert.equal((await admin.patch(`/users/${user.id}`, { user: { domain_id: 'other' } })).status, 400)
  assert.equal((await admin.delete(`/users/${user.id}`)).status, 204)
  assert.equal((await admin.get(`/users/${user.id}`)).status, 404)
})

test('lists are filtered, and paged when a limit is given', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  for (const name of ['n1', 'n2', 'n3']) await made(admin.post('/users', { user: { name, enabled: name !== 'n2' } }))
  const names = async (query: string) =>
    (await admin.get(`/users?${query}`)).json.users.map((user: { name: string }) => user.name) as string[]
  assert.deepEqual(await names('name=n1'), ['n1'])
  assert.deepEqual(await names('name__startswith=n&enabled=false'), ['n2'])
  assert.deepEqual(await names('name__icontains=N3'), ['n3'])
  const first = await admin.get('/users?name__startswith=n&limit=2')
  assert.equal(first.json.users.length, 2)
  const next = await admin.get(String(first.json.links.next).split('/v3')[1]!)
  assert.deepEqual(
    next.json.users.map((user: { name: string }) => user.name),
    ['n3'],
  )
  assert.equal(next.json.links.next, null)
})

test('wrong requests are told what is wrong, and nothing comes of them', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const before = (await admin.get('/users')).json.users.length
  const bad: [object, number][] = [
    [{ user: {} }, 400],
    [{ user: { name: ' ' } }, 400],
    [{ user: { name: 'x'.repeat(256) } }, 400],
    [{ user: { name: 'x', enabled: 'yes' } }, 400],
    [{ user: { name: 'x', options: { unknown: true } } }, 400],
    [{ user: { name: 'x', default_project_id: 'default' } }, 400],
    [{ user: { name: 'x', domain_id: 'f'.repeat(32) } }, 404],
    [{ name: 'x' }, 400],
  ]
  for (const [body, status] of bad)
    assert.equal((await admin.post('/users', body)).status, status, JSON.stringify(body))
  assert.equal((await admin.get('/users')).json.users.length, before)
})

test('members see themselves and nobody else; unknown and foreign users look the same', async (t) => {
  const cloud = await testCloud(t)
  const member = withToken(cloud, cloud.as('member').token)
  const { userId: own } = cloud.as('member')
  const { userId: other } = cloud.as('other')
  assert.equal((await member.get(`/users/${own}`)).status, 200)
  assert.equal((await member.get(`/users/${own}/projects`)).status, 200)
  assert.equal((await member.get(`/users/${own}/groups`)).status, 200)
  assert.deepEqual((await member.get(`/users/${other}`)).text, (await member.get('/users/unknown')).text)
  for (const answer of [
    await member.get('/users'),
    await member.get(`/users/${other}`),
    await member.patch(`/users/${own}`, { user: { enabled: true } }),
    await member.delete(`/users/${other}`),
    await member.post('/users', { user: { name: 'x' } }),
  ])
    assert.equal(answer.status, 403)
})

test('a new password, by an admin or by oneself, ends every token', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const id = await teammate(cloud, 'ada')
  const stranger = withToken(cloud, '')
  const change = (original: string, password: string, who = id) =>
    stranger.post(`/users/${who}/password`, { user: { original_password: original, password } })

  const first = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, "ada's")))
  assert.equal((await change('wrong', 'next')).status, 401)
  assert.equal((await change('wrong', 'next', 'nobody')).status, 401)
  assert.equal((await change("ada's", "ada's")).status, 400)
  assert.equal((await first.get('/auth/projects')).status, 200)
  assert.equal((await change("ada's", 'second')).status, 204)
  assert.equal((await first.get('/auth/projects')).status, 401)
  assert.equal((await signIn(cloud, passwordAuth({ id }, "ada's"))).status, 401)

  const second = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, 'second')))
  await admin.patch(`/users/${id}`, { user: { password: 'third', options: { lock_password: true } } })
  assert.equal((await second.get('/auth/projects')).status, 401)
  assert.equal((await change('third', 'fourth')).status, 400)
  await tokenFor(cloud, passwordAuth({ id }, 'third'))
})

test('a user who needs two factors does not get in with one', async (t) => {
  const cloud = await testCloud(t)
  const id = await teammate(cloud, 'ada')
  const options = { multi_factor_auth_enabled: true, multi_factor_auth_rules: [['password', 'totp']] }
  await asAdmin(cloud).patch(`/users/${id}`, { user: { options } })
  assert.equal((await signIn(cloud, passwordAuth({ id }, "ada's"))).status, 401)
  await asAdmin(cloud).patch(`/users/${id}`, { user: { options: { multi_factor_auth_enabled: null } } })
  await tokenFor(cloud, passwordAuth({ id }, "ada's"))
})

test('groups: members come and go, and with them what the group may do', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const user = await made(admin.post('/users', { user: { name: 'ada', password: 'pw' } }))
  const group = await made(admin.post('/groups', { group: { name: 'staff' } }))
  assert.equal((await admin.post('/groups', { group: { name: 'staff' } })).status, 409)
  await admin.put(`/projects/${teamProject}/groups/${group.id}/roles/${await roleId(cloud, 'member')}`)
  const membership = `/groups/${group.id}/users/${user.id}`
  assert.equal((await admin.head(membership)).status, 404)
  assert.equal((await admin.put(membership)).status, 204)
  assert.equal((await admin.head(membership)).status, 204)
  assert.equal((await admin.get(`/groups/${group.id}/users`)).json.users[0].id, user.id)
  assert.equal((await admin.get(`/users/${user.id}/groups`)).json.groups[0].id, group.id)
  const token = await tokenFor(cloud, passwordAuth({ id: user.id }, 'pw', { project: { id: teamProject } }))
  assert.equal((await withToken(cloud, token).get('/auth/catalog')).status, 200)
  assert.equal((await admin.delete(membership)).status, 204)
  assert.equal((await withToken(cloud, token).get('/auth/catalog')).status, 401)
  assert.equal((await admin.delete(membership)).status, 404)
  assert.equal((await admin.put(`/groups/${group.id}/users/nobody`)).status, 404)
  assert.equal((await admin.delete(`/groups/${group.id}`)).status, 204)
})
