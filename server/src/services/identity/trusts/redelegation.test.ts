import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, signIn, teammate, teamProject, tokenFor, withToken } from '../testing.ts'
import { keystoneTime } from '../time.ts'

const trusts = '/OS-TRUST/trusts'
const hour = 3_600_000
const inHours = (hours: number) => keystoneTime(Math.floor(Date.now() / 1000) * 1000 + hours * hour)

/** Ada, who has a role in the team, and others who have none; each may sign in, alone or by a trust. */
async function people(cloud: TestCloud) {
  const admin = asAdmin(cloud)
  const ada = await teammate(cloud, 'ada')
  const others: Record<string, string> = {}
  for (const name of ['bob', 'eve', 'zoe', 'joe', 'kim'])
    others[name] = (await made(admin.post('/users', { user: { name, password: `${name}'s` } }))).id
  const ids: Record<string, string> = { ada, ...others }
  const auth = (name: string, trust: string) =>
    passwordAuth({ id: ids[name] }, `${name}'s`, { 'OS-TRUST:trust': { id: trust } })
  return {
    id: (name: string) => ids[name]!,
    ada: withToken(cloud, await tokenFor(cloud, passwordAuth({ id: ada }, "ada's", { project: { id: teamProject } }))),
    by: async (name: string, trust: string) => withToken(cloud, await tokenFor(cloud, auth(name, trust))),
    tries: (name: string, trust: string) => signIn(cloud, auth(name, trust)),
  }
}
type Made = Awaited<ReturnType<typeof made>>

for (const impersonation of [true, false])
  test(`a trust goes from hand to hand as often as it may, ${impersonation ? 'as its first giver' : 'each as oneself'}`, async (t) => {
    const cloud = await testCloud(t)
    const { id, ada, by, tries } = await people(cloud)
    const spec = { project_id: teamProject, roles: [{ name: 'reader' }], impersonation, allow_redelegation: true }
    const hand = (from: string, to: string) => ({
      trust: { ...spec, trustor_user_id: id(impersonation ? 'ada' : from), trustee_user_id: id(to) },
    })
    const first = await made(ada.post(trusts, hand('ada', 'bob')))
    assert.equal(first['redelegation_count'], 3, 'unless said')
    const chain: Made[] = [first]
    for (const [from, to] of [
      ['bob', 'eve'],
      ['eve', 'zoe'],
      ['zoe', 'joe'],
    ] as const)
      chain.push(await made((await by(from, chain.at(-1)!.id)).post(trusts, hand(from, to))))
    assert.deepEqual(
      chain.map((each) => each['redelegation_count']),
      [3, 2, 1, 0],
    )
    assert.deepEqual(
      chain.map((each) => each['redelegated_trust_id']),
      [undefined, ...chain.slice(0, 3).map((each) => each.id)],
    )
    assert.equal((await (await by('joe', chain[3]!.id)).post(trusts, hand('joe', 'kim'))).status, 403)

    // the last in the chain acts with the first giver's role
    const { token } = (await tries('joe', chain[3]!.id)).json
    assert.equal(token.user.id, id(impersonation ? 'ada' : 'joe'))
    assert.deepEqual(
      [token.project.id, token.roles.map(({ name }: { name: string }) => name)],
      [teamProject, ['reader']],
    )

    // who takes a trust back takes it from all that got it from there on
    const tokens = await Promise.all((['bob', 'eve', 'zoe', 'joe'] as const).map((name, i) => by(name, chain[i]!.id)))
    const living = () => Promise.all(tokens.map(async (each) => (await each.get('/auth/catalog')).status))
    assert.deepEqual(await living(), [200, 200, 200, 200])
    const giver = impersonation ? ada : await by('bob', first.id)
    assert.equal((await giver.delete(`${trusts}/${chain[1]!.id}`)).status, 204)
    assert.deepEqual(await living(), [200, 401, 401, 401])
    const admin = asAdmin(cloud)
    const shown = () => Promise.all(chain.map(async (each) => (await admin.get(`${trusts}/${each.id}`)).status))
    assert.deepEqual(await shown(), [200, 404, 404, 404])
    assert.equal((await tries('joe', chain[3]!.id)).status, 403)
    assert.equal((await ada.delete(`${trusts}/${first.id}`)).status, 204)
    assert.deepEqual(await living(), [401, 401, 401, 401])
    assert.deepEqual(await shown(), [404, 404, 404, 404])
  })

test('a trust handed on ends with the one it comes from, or before', async (t) => {
  const cloud = await testCloud(t)
  const { id, ada, by } = await people(cloud)
  const spec = { project_id: teamProject, roles: [{ name: 'reader' }], impersonation: true, allow_redelegation: true }
  const hand = (to: string, expires_at?: string) => ({
    trust: { ...spec, trustor_user_id: id('ada'), trustee_user_id: id(to), ...(expires_at && { expires_at }) },
  })
  const [soon, later, last] = [inHours(1), inHours(2), inHours(3)]
  const first = await made(ada.post(trusts, hand('bob', later)))
  const bob = await by('bob', first.id)
  assert.equal((await bob.post(trusts, hand('eve', last))).status, 403)
  assert.equal((await made(bob.post(trusts, hand('zoe'))))['expires_at'], later, 'unless said, the same end')
  const second = await made(bob.post(trusts, hand('eve', soon)))
  const eve = await by('eve', second.id)
  assert.equal((await eve.post(trusts, hand('joe', later))).status, 403, 'not even by the end of the first')
  assert.equal((await made(eve.post(trusts, hand('joe', soon))))['expires_at'], soon)
  // a token does not outlive the trust that it comes from
  const { token } = (
    await signIn(cloud, passwordAuth({ id: id('eve') }, "eve's", { 'OS-TRUST:trust': { id: second.id } }))
  ).json
  assert.ok(Date.parse(token.expires_at) <= Date.parse(soon))
})

test('what a trust does not have is not handed on', async (t) => {
  const cloud = await testCloud(t)
  const { id, ada, by } = await people(cloud)
  const base = { project_id: teamProject, roles: [{ name: 'reader' }], impersonation: false, allow_redelegation: true }
  const hand = (from: string, to: string, more: object = {}) => ({
    trust: { ...base, trustor_user_id: id(from), trustee_user_id: id(to), ...more },
  })
  const first = await made(ada.post(trusts, hand('ada', 'bob', { redelegation_count: 2 })))
  const bob = await by('bob', first.id)
  for (const more of [
    { roles: [{ name: 'member' }] },
    { roles: [{ name: 'reader' }, { name: 'member' }] },
    { impersonation: true },
    { redelegation_count: 2 },
    { redelegation_count: 5 },
  ])
    assert.equal((await bob.post(trusts, hand('bob', 'eve', more))).status, 403, JSON.stringify(more))
  const elsewhere = { project_id: cloud.as('other').projectId }
  assert.equal((await bob.post(trusts, hand('bob', 'eve', elsewhere))).status, 404, 'ada has no role there')
  assert.equal((await bob.post(trusts, hand('bob', 'eve', { remaining_uses: 1 }))).status, 400)
  assert.equal((await bob.post(trusts, hand('ada', 'eve'))).status, 403, 'nor in the name of another')
  const last = await made(bob.post(trusts, hand('bob', 'eve', { allow_redelegation: false, remaining_uses: 1 })))
  assert.equal(last['redelegation_count'], 0)
  const eve = await by('eve', last.id)
  assert.equal((await eve.post(trusts, hand('eve', 'zoe'))).status, 403)
  // the giver's own role goes, and with it what was made of it
  const admin = asAdmin(cloud)
  const { roles } = (await admin.get('/roles?name=member')).json
  await admin.delete(`/projects/${teamProject}/users/${id('ada')}/roles/${roles[0].id}`)
  assert.notEqual((await bob.get('/auth/catalog')).status, 200)
  assert.notEqual((await eve.get('/auth/catalog')).status, 200)
})
