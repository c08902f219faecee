import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, roleId, teamProject } from '../testing.ts'

interface Entry {
  role: { id: string; name?: string }
  user?: { id: string; name?: string }
  group?: { id: string }
  scope: Record<string, { id: string } | string>
  links: Record<string, string>
}

test('assignments are listed as given, and as what they come to', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const domain = await made(admin.post('/domains', { domain: { name: 'd' } }))
  const top = await made(admin.post('/projects', { project: { name: 'top', domain_id: domain.id } }))
  const low = await made(admin.post('/projects', { project: { name: 'low', parent_id: top.id } }))
  const user = await made(admin.post('/users', { user: { name: 'u', domain_id: domain.id } }))
  const group = await made(admin.post('/groups', { group: { name: 'g', domain_id: domain.id } }))
  await admin.put(`/groups/${group.id}/users/${user.id}`)
  const member = await roleId(cloud, 'member')
  const inherited = `/OS-INHERIT/domains/${domain.id}/groups/${group.id}/roles/${member}/inherited_to_projects`
  assert.equal((await admin.put(inherited)).status, 204)
  assert.equal((await admin.head(inherited)).status, 204)
  const list = async (query: string) => (await admin.get(`/role_assignments?${query}`)).json.role_assignments as Entry[]

  const [given, ...more] = await list(`group.id=${group.id}`)
  assert.equal(more.length, 0)
  assert.equal(given!.scope['OS-INHERIT:inherited_to'], 'projects')
  assert.ok(given!.links['assignment']!.endsWith(inherited))
  assert.equal((await list(`user.id=${user.id}`)).length, 0)

  const effective = await list(`user.id=${user.id}&effective&include_names`)
  const short = effective.map(({ role, scope }) => `${role.name} ${(scope['project'] as { id: string }).id}`)
  const reader = 'reader'
  assert.deepEqual(
    short.toSorted(),
    [`member ${top.id}`, `member ${low.id}`, `${reader} ${top.id}`, `${reader} ${low.id}`].toSorted(),
  )
  assert.equal(effective[0]!.user!.name, 'u')
  assert.ok(effective.every(({ links }) => links['membership']?.endsWith(`/groups/${group.id}/users/${user.id}`)))
  assert.equal((await list(`scope.project.id=${low.id}&effective`)).length, 2)
  assert.equal((await list(`scope.project.id=${top.id}&effective&include_subtree`)).length, 4)
  assert.equal((await list(`scope.domain.id=${domain.id}&effective`)).length, 0)
  assert.equal((await admin.get('/role_assignments?include_subtree')).status, 400)
  assert.equal((await admin.get(`/role_assignments?user.id=a&group.id=b`)).status, 400)
  assert.equal((await admin.get(`/role_assignments?effective&group.id=b`)).status, 400)

  // page by page it is the same list
  for (const query of ['', `effective&user.id=${user.id}`]) {
    const whole = await list(query)
    const pages: Entry[] = []
    let path: string | null = `/role_assignments?${query}&limit=2`
    while (path !== null) {
      const { role_assignments: page, links } = (await admin.get(path)).json as {
        role_assignments: Entry[]
        links: { next: string | null }
      }
      pages.push(...page)
      path = links.next === null ? null : links.next.split('/v3')[1]!
    }
    assert.deepEqual(pages, whole)
    assert.ok(whole.length > 2)
  }
  assert.equal((await admin.get('/role_assignments?marker=x')).status, 400)

  assert.equal((await admin.delete(inherited)).status, 204)
  assert.equal((await admin.delete(inherited)).status, 404)
  assert.equal((await list(`user.id=${user.id}&effective`)).length, 0)
})

test('grants name things that are there, and roles of the same domain', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const { userId } = cloud.as('reader')
  const member = await roleId(cloud, 'member')
  const away = await made(admin.post('/domains', { domain: { name: 'away' } }))
  const theirs = await made(admin.post('/roles', { role: { name: 'member', domain_id: away.id } }))
  assert.equal((await admin.post('/roles', { role: { name: 'member' } })).status, 409)
  for (const [path, status] of [
    [`/projects/${teamProject}/users/${userId}/roles/nope`, 404],
    [`/projects/${teamProject}/users/nope/roles/${member}`, 404],
    [`/projects/nope/users/${userId}/roles/${member}`, 404],
    [`/domains/${teamProject}/users/${userId}/roles/${member}`, 404],
    [`/projects/${teamProject}/users/${userId}/roles/${theirs.id}`, 403],
    [`/system/users/${userId}/roles/${theirs.id}`, 400],
  ] as const)
    assert.equal((await admin.put(path)).status, status, path)
  const grant = `/projects/${teamProject}/users/${userId}/roles/${member}`
  assert.equal((await cloud.as('manager').put(`/identity/v3${grant}`)).status, 403)
  assert.equal((await admin.put(grant)).status, 204)
  assert.equal((await admin.put(grant)).status, 204)
  const { roles } = (await admin.get(grant.replace(/\/[^/]+$/, ''))).json
  assert.deepEqual(
    roles.map((role: { name: string }) => role.name),
    ['member', 'reader'],
  )
})

test('roles imply roles; a domain’s own role is only seen in what it implies', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const home = await made(admin.post('/roles', { role: { name: 'home', domain_id: 'default' } }))
  const member = await roleId(cloud, 'member')
  const link = `/roles/${home.id}/implies/${member}`
  const shown = await admin.put(link)
  assert.equal(shown.status, 201)
  assert.equal(shown.json.role_inference.implies.id, member)
  assert.equal((await admin.head(link)).status, 204)
  assert.equal((await admin.put(`/roles/${member}/implies/${home.id}`)).status, 403)
  assert.equal((await admin.put(`/roles/${member}/implies/${await roleId(cloud, 'admin')}`)).status, 403)
  const user = await made(admin.post('/users', { user: { name: 'u' } }))
  await admin.put(`/projects/${teamProject}/users/${user.id}/roles/${home.id}`)
  const { role_assignments: entries } = (
    await admin.get(`/role_assignments?user.id=${user.id}&effective&include_names`)
  ).json as { role_assignments: Entry[] }
  assert.deepEqual(
    entries.map(({ role }) => String(role.name)).toSorted((a, b) => a.localeCompare(b)),
    ['member', 'reader'],
  )
  const { role_inferences: all } = (await admin.get('/role_inferences')).json
  assert.equal(all.length, 4)
  assert.equal((await admin.delete(link)).status, 204)
  assert.equal((await admin.get(link)).status, 404)
})
