import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventsOf } from '#lib/event.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, roleId, teammate, tokenFor, v3, withToken } from '../testing.ts'

test('projects stand in a tree, whose rules hold', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const add = (name: string, more: object = {}) => admin.post('/projects', { project: { name, ...more } })
  const top = await made(add('top'))
  assert.equal(top['parent_id'], 'default')
  const middle = await made(add('middle', { parent_id: top.id }))
  const low = await made(add('low', { parent_id: middle.id }))
  const shown = (await admin.get(`/projects/${middle.id}?parents_as_ids&subtree_as_ids`)).json.project
  assert.deepEqual(shown.parents, { [top.id]: { default: null } })
  assert.deepEqual(shown.subtree, { [low.id]: null })
  // a list shows those in which one has a role, and the admin has none here
  assert.deepEqual((await admin.get(`/projects/${low.id}?parents_as_list`)).json.project.parents, [])
  await admin.put(`/projects/${top.id}/users/${cloud.as('admin').userId}/roles/${await roleId(cloud, 'member')}`)
  const parents = (await admin.get(`/projects/${low.id}?parents_as_list=1`)).json.project.parents
  assert.deepEqual(
    parents.map((each: { project: { id: string } }) => each.project.id),
    [top.id],
  )
  assert.equal((await admin.get(`/projects/${low.id}?parents_as_list&parents_as_ids`)).status, 400)

  assert.equal((await add('top')).status, 409)
  assert.equal((await add('stray', { parent_id: 'f'.repeat(32), domain_id: 'default' })).status, 400)
  assert.equal((await add('x'.repeat(65))).status, 400)
  assert.equal((await admin.delete(`/projects/${top.id}`)).status, 403)
  assert.equal((await admin.patch(`/projects/${top.id}`, { project: { enabled: false } })).status, 403)
  assert.equal((await admin.patch(`/projects/${low.id}`, { project: { parent_id: top.id } })).status, 403)
  for (const { id } of [low, middle, top])
    assert.equal((await admin.patch(`/projects/${id}`, { project: { enabled: false } })).status, 200)
  assert.equal((await admin.patch(`/projects/${low.id}`, { project: { enabled: true } })).status, 403)
  assert.equal((await add('below', { parent_id: low.id })).status, 400)
  const fourth = await made(add('fourth'))
  let parent = fourth.id
  for (let depth = 2; depth <= 5; depth++) parent = (await made(add(`level ${depth}`, { parent_id: parent }))).id
  assert.equal((await add('too deep', { parent_id: parent })).status, 403)
})

test('tags', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const { id } = await made(admin.post('/projects', { project: { name: 'p', tags: ['blue'] } }))
  assert.equal((await admin.put(`/projects/${id}/tags/red`)).status, 201)
  assert.equal((await admin.get(`/projects/${id}/tags/red`)).status, 204)
  assert.deepEqual((await admin.get(`/projects/${id}/tags`)).json.tags, ['blue', 'red'])
  const found = async (query: string) => (await admin.get(`/projects?${query}`)).json.projects.length as number
  assert.equal(await found('tags=blue,red'), 1)
  assert.equal(await found('tags=blue,green'), 0)
  assert.equal(await found('tags-any=blue,green'), 1)
  assert.equal(await found('not-tags-any=blue&name=p'), 0)
  assert.equal((await admin.put(`/projects/${id}/tags/a,b`)).status, 400)
  assert.equal((await admin.delete(`/projects/${id}/tags/blue`)).status, 204)
  assert.equal((await admin.delete(`/projects/${id}/tags/blue`)).status, 404)
  assert.deepEqual((await admin.put(`/projects/${id}/tags`, { tags: ['x', 'y'] })).json.tags, ['x', 'y'])
  assert.equal((await admin.put(`/projects/${id}/tags`, { tags: ['x', 'x'] })).status, 400)
  const many = Array.from({ length: 80 }, (_, i) => `t${i}`)
  assert.equal((await admin.put(`/projects/${id}/tags`, { tags: many })).status, 200)
  assert.equal((await admin.put(`/projects/${id}/tags/one-more`)).status, 400)
})

test('what is immutable is neither changed nor deleted until it is no longer', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const { id } = await made(admin.post('/projects', { project: { name: 'p', options: { immutable: true } } }))
  assert.equal((await admin.patch(`/projects/${id}`, { project: { name: 'q' } })).status, 403)
  assert.equal((await admin.delete(`/projects/${id}`)).status, 403)
  assert.equal((await admin.patch(`/projects/${id}`, { project: { options: { immutable: false } } })).status, 200)
  assert.equal((await admin.delete(`/projects/${id}`)).status, 204)
})

test('a domain goes with all that is in it, once it is disabled', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const domain = await made(admin.post('/domains', { domain: { name: 'away' } }))
  const project = await made(admin.post('/projects', { project: { name: 'p', domain_id: domain.id } }))
  const child = await made(admin.post('/projects', { project: { name: 'c', parent_id: project.id } }))
  const user = await made(admin.post('/users', { user: { name: 'u', domain_id: domain.id } }))
  const group = await made(admin.post('/groups', { group: { name: 'g', domain_id: domain.id } }))
  const role = await made(admin.post('/roles', { role: { name: 'r', domain_id: domain.id } }))
  await admin.put(`/projects/${project.id}/users/${user.id}/roles/${role.id}`)
  assert.equal((await admin.post('/domains', { domain: { name: 'away' } })).status, 409)
  assert.equal((await admin.delete(`/domains/${domain.id}`)).status, 403)
  assert.equal((await admin.delete('/domains/default')).status, 403)
  await admin.patch(`/domains/${domain.id}`, { domain: { enabled: false } })
  assert.equal((await admin.delete(`/domains/${domain.id}`)).status, 204)
  for (const path of [`/projects/${child.id}`, `/users/${user.id}`, `/groups/${group.id}`, `/roles/${role.id}`])
    assert.equal((await admin.get(path)).status, 404, path)
  assert.equal((await eventsOf(cloud.db, child.id))[0]!.type, 'project.deleted')
  assert.equal((await eventsOf(cloud.db, user.id))[0]!.type, 'user.deleted')
})

test('a domain’s manager rules over it and over nothing else', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const domain = await made(admin.post('/domains', { domain: { name: 'theirs' } }))
  const id = await teammate(cloud, 'ada', 'reader')
  await admin.put(`/domains/${domain.id}/users/${id}/roles/${await roleId(cloud, 'manager')}`)
  const manager = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, "ada's", { domain: { id: domain.id } })))
  const project = await made(manager.post('/projects', { project: { name: 'p', domain_id: domain.id } }))
  const user = await made(manager.post('/users', { user: { name: 'u' } }))
  assert.equal(user['domain_id'], domain.id)
  assert.equal((await manager.post('/users', { user: { name: 'u', domain_id: 'default' } })).status, 403)
  assert.equal((await manager.post('/projects', { project: { name: 'p', domain_id: 'default' } })).status, 403)
  assert.equal((await manager.post('/domains', { domain: { name: 'x' } })).status, 403)
  const grant = (role: string, projectId = project.id) =>
    manager.put(`/projects/${projectId}/users/${user.id}/roles/${role}`)
  assert.equal((await grant(await roleId(cloud, 'member'))).status, 204)
  assert.equal((await grant(await roleId(cloud, 'admin'))).status, 403)
  const elsewhere = (await admin.get('/projects?name=admin')).json.projects[0].id as string
  assert.equal((await grant(await roleId(cloud, 'member'), elsewhere)).status, 403)
  // a list has only what is of the domain
  const { users } = (await manager.get('/users')).json
  assert.deepEqual(
    users.map((each: { id: string }) => each.id),
    [user.id],
  )
  assert.equal((await manager.get('/projects')).json.projects.length, 1)
  assert.equal((await manager.get('/domains')).json.domains.length, 1)
})

test('version documents', async (t) => {
  const cloud = await testCloud(t)
  const root = await cloud.as('stranger').get('/identity')
  assert.equal(root.status, 300)
  assert.equal(root.json.versions.values[0].links[0].href, 'http://cloud.test/identity/v3/')
  const version = await cloud.as('stranger').get(`${v3}/`)
  assert.equal(version.json.version.id, 'v3.14')
})
