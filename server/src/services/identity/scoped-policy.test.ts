import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireScopeNames } from '#lib/config.ts'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, teamProject, tokenAuth, tokenFor, withToken } from './testing.ts'

for (const enforced of [true, false]) {
  test(`admins of a project and of a domain, scope ${enforced ? 'enforced' : 'not enforced'}`, async (t) => {
    const cloud = await testCloud(t, { enforceScope: enforced ? 'image, identity' : 'image' })
    // the persona admin has its role in the team's project, which is not that of the operators
    const inProject = asAdmin(cloud)
    assert.equal((await inProject.post('/domains', { domain: { name: 'd' } })).status, enforced ? 403 : 201)
    assert.equal((await inProject.get('/users')).status, enforced ? 403 : 200)
    assert.equal((await inProject.get(`/projects/${teamProject}`)).status, 200)
    assert.equal((await inProject.put(`/projects/${teamProject}/tags/blue`)).status, 201)
  })
}

test('with scope enforced the system is for its admins, a domain for its own', async (t) => {
  const cloud = await testCloud(t, { enforceScope: 'identity' })
  const { userId, token } = cloud.as('admin')
  await cloud.db.transaction((tx) =>
    tx.rows(sql`insert into role_assignment (actor_kind, actor_id, target_kind, target_id, role_id)
      select 'user', ${userId}, kind, target, r.id
      from role r, (values ('system', ''), ('domain', 'default')) as t(kind, target)
      where r.name = 'admin' and r.domain_id is null
      on conflict do nothing`),
  )
  const system = withToken(cloud, await tokenFor(cloud, tokenAuth(token, { system: { all: true } })))
  const domain = withToken(cloud, await tokenFor(cloud, tokenAuth(token, { domain: { id: 'default' } })))
  const other = await made(system.post('/domains', { domain: { name: 'other' } }))
  assert.equal((await domain.post('/domains', { domain: { name: 'mine' } })).status, 403)
  await made(domain.post('/users', { user: { name: 'eve' } }))
  assert.equal((await domain.post('/users', { user: { name: 'eve', domain_id: other.id } })).status, 403)
  assert.equal((await domain.get('/credentials')).status, 403, 'a token of a domain has none')
})

test('with scope enforced what is done in projects takes a token of a project', async (t) => {
  const paths = ['/compute/v2.1/servers', '/network/v2.0/networks', '/image/v2/images', '/placement/resource_providers']
  for (const enforceScope of ['', 'all']) {
    const cloud = await testCloud(t, { enforceScope })
    const admin = cloud.as('admin')
    await cloud.db.transaction((tx) =>
      tx.rows(sql`insert into role_assignment (actor_kind, actor_id, target_kind, target_id, role_id)
        select 'user', ${admin.userId}, 'system', '', id from role where name = 'admin'`),
    )
    const token = await tokenFor(cloud, tokenAuth(admin.token, { system: { all: true } }))
    const headers = { 'x-auth-token': token }
    for (const path of paths) {
      const { status } = await cloud.as('stranger').get(path, { headers })
      assert.equal(status, enforceScope === '' ? 200 : 403, `${path} ${enforceScope}`)
      assert.equal((await admin.get(path)).status, 200, path)
    }
    assert.equal((await cloud.as('stranger').get('/compute/', { headers })).status, 200)
    assert.equal((await cloud.as('stranger').get('/audit/events', { headers })).status, 200)
  }
  const { services } = (await testCloud(t)).app
  assert.throws(() => requireScopeNames({ enforceScope: 'identity, compude' }, services), /no service compude/)
})
