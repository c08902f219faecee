// Sign-in against a real OpenLDAP server.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { sql } from '#lib/db.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { change } from '../change.ts'
import { asAdmin, made, passwordAuth, roleId, signIn, teammate, teamProject, tokenFor, withToken } from '../testing.ts'
import { totpCode } from '../tokens/totp.ts'
import {
  addGroup,
  addPerson,
  authOf,
  directoryDomain,
  dnOf,
  groupDn,
  idsOf,
  tokenOf,
  trySignIn,
  usualOptions,
} from './domain.testing.ts'
import { slapdMissing, type Slapd, startSlapd } from './slapd.testing.ts'

const inTeam = { project: { id: teamProject } }

describe('sign-in by a directory', { skip: slapdMissing }, () => {
  let slapd: Slapd
  before(async () => {
    slapd = await startSlapd()
    for (const uid of ['ada', 'bob', 'eve']) await addPerson(slapd, uid, { mail: `${uid}@example.org` })
    await addGroup(slapd, 'staff', ['ada'])
  })
  after(() => slapd?.stop())

  test("the password is the directory's, the id is Keystone's, and groups give roles", async (t) => {
    const cloud = await testCloud(t)
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const admin = asAdmin(cloud)
    const { staff } = await idsOf(cloud, 'groups', domain)
    await admin.put(`/projects/${teamProject}/groups/${staff}/roles/${await roleId(cloud, 'member')}`)

    const answer = await signIn(cloud, authOf('ada', domain, inTeam))
    assert.equal(answer.status, 201, answer.text)
    const { user, roles } = answer.json.token
    assert.equal(user.id, createHash('sha256').update(`${domain}userada`).digest('hex'))
    assert.deepEqual([user.name, user.domain.name], ['ada', 'corp'])
    assert.deepEqual(
      roles.map(({ name }: { name: string }) => name),
      ['member', 'reader'],
    )
    // by id too, and by the domain's name
    await tokenFor(cloud, passwordAuth({ id: user.id }, "ada's", inTeam))
    await tokenFor(cloud, passwordAuth({ name: 'ADA', domain: { name: 'corp' } }, "ada's", inTeam))
    // bob is in no group
    assert.equal((await signIn(cloud, authOf('bob', domain, inTeam))).status, 401)
    await tokenOf(cloud, 'bob', domain)
  })

  test('whoever does not get in gets the same answer, and an empty password is never tried', async (t) => {
    const cloud = await testCloud(t, { addressAttempts: 0 })
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const wrong = await signIn(cloud, authOf('ada', domain, undefined, 'guess'))
    assert.equal(wrong.status, 401)
    await slapd.operations()
    for (const [name, password] of [
      ['nobody', 'guess'],
      ['nobody', "ada's"],
      ['*', "ada's"],
      ['a*', "ada's"],
      ['ada)(uid=*', "ada's"],
      ['ada)(|(uid=ada', "ada's"],
      [String.raw`ad\61`, "ada's"],
      ['uid=ada', "ada's"],
      ['cn=reader', 'readers-own'],
    ] as const) {
      const answer = await signIn(cloud, authOf(name, domain, undefined, password))
      assert.deepEqual([answer.status, answer.text], [401, wrong.text], name)
      // as much was asked of the directory as for somebody who is there: a search, and a bind
      const asked = await slapd.operations()
      assert.equal(asked.match(/ SRCH base="ou=Users/g)?.length, 1, asked)
      assert.equal(asked.match(/ BIND dn="cn=[0-9a-f]{16},ou=Users/g)?.length, 1, asked)
    }
    assert.equal(await trySignIn(cloud, 'ada', domain, ''), 401)
    assert.doesNotMatch(await slapd.operations(), /BIND dn="uid=ada/)
  })

  test('one who is locked out is not even tried, and the right password does not help', async (t) => {
    const cloud = await testCloud(t, { lockoutAttempts: 2, addressAttempts: 0 })
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    for (let i = 0; i < 2; i++) assert.equal(await trySignIn(cloud, 'eve', domain, 'guess'), 401)
    await slapd.operations()
    assert.equal(await trySignIn(cloud, 'eve', domain), 401)
    assert.doesNotMatch(await slapd.operations(), /BIND dn="uid=eve/)
    // an operator may exempt a directory's user as any other
    const { eve } = await idsOf(cloud, 'users', domain)
    const options = { ignore_lockout_failure_attempts: true }
    assert.equal((await asAdmin(cloud).patch(`/users/${eve}`, { user: { options } })).status, 200)
    assert.equal(await trySignIn(cloud, 'eve', domain), 201)
  })

  test('an address that guesses has to wait, whomever it asks for', async (t) => {
    const cloud = await testCloud(t, { addressAttempts: 2 })
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await trySignIn(cloud, `nobody${i}`, domain))
    assert.deepEqual(answers.slice(0, 2), [401, 401])
    assert.equal(answers.at(-1), 429)
  })

  test('a second proof is asked for as of any other user', async (t) => {
    const cloud = await testCloud(t)
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const { ada } = await idsOf(cloud, 'users', domain)
    const admin = asAdmin(cloud)
    const options = { multi_factor_auth_enabled: true, multi_factor_auth_rules: [['password', 'totp']] }
    assert.equal((await admin.patch(`/users/${ada}`, { user: { options } })).status, 200)
    const seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
    await made(admin.post('/credentials', { credential: { type: 'totp', user_id: ada, blob: seed } }))
    assert.equal(await trySignIn(cloud, 'ada', domain), 401)
    const user = { name: 'ada', domain: { id: domain } }
    const passcode = totpCode(seed, Date.now()) ?? ''
    const both = {
      methods: ['password', 'totp'],
      password: { user: { ...user, password: "ada's" } },
      totp: { user: { ...user, passcode } },
    }
    assert.equal((await signIn(cloud, { auth: { identity: both } })).status, 201)
  })

  test('who is removed in the directory has no token any more, nor by what was made with it', async (t) => {
    const cloud = await testCloud(t, { directorySeconds: 0 })
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    await addPerson(slapd, 'leaver')
    const { leaver } = await idsOf(cloud, 'users', domain)
    const admin = asAdmin(cloud)
    await admin.put(`/projects/${teamProject}/users/${leaver}/roles/${await roleId(cloud, 'member')}`)
    const person = withToken(cloud, await tokenOf(cloud, 'leaver', domain, inTeam))
    const credential = await made(
      person.post(`/users/${leaver}/application_credentials`, {
        application_credential: { name: 'ci', secret: 'sesame' },
      }),
    )
    const byCredential = {
      identity: {
        methods: ['application_credential'],
        application_credential: { id: credential.id, secret: 'sesame' },
      },
    }
    assert.equal((await signIn(cloud, { auth: byCredential })).status, 201)
    assert.equal((await person.get('/auth/projects')).status, 200)
    await slapd.remove(dnOf('leaver'))
    assert.equal((await person.get('/auth/projects')).status, 401)
    assert.equal((await signIn(cloud, { auth: byCredential })).status, 401)
    assert.equal((await admin.get(`/users/${leaver}`)).status, 404)
    assert.equal(await trySignIn(cloud, 'leaver', domain), 401)
    assert.equal((await idsOf(cloud, 'users', domain))['leaver'], undefined)
    // one who comes back is who they were, with what they were given; old tokens stay void
    await addPerson(slapd, 'leaver')
    await tokenOf(cloud, 'leaver', domain, inTeam)
    assert.equal((await person.get('/auth/projects')).status, 401)
    await slapd.remove(dnOf('leaver'))
  })

  test('what the directory said is believed for its time, and groups are read again after it', async (t) => {
    const cloud = await testCloud(t, { directorySeconds: 3600 })
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    await addPerson(slapd, 'mover')
    await addGroup(slapd, 'movers', ['mover', 'ada'])
    const { movers } = await idsOf(cloud, 'groups', domain)
    await asAdmin(cloud).put(`/projects/${teamProject}/groups/${movers}/roles/${await roleId(cloud, 'reader')}`)
    const person = withToken(cloud, await tokenOf(cloud, 'mover', domain, inTeam))
    assert.equal((await person.get('/auth/projects')).status, 200)
    await slapd.set(groupDn('movers'), 'member', [dnOf('ada')])
    await slapd.operations()
    assert.equal((await person.get('/auth/projects')).status, 200)
    assert.doesNotMatch(await slapd.operations(), /SRCH/)
    // as if the time were over
    await change(cloud.db, (tx) =>
      tx.rows(sql`update identity_user set seen_at = now() - interval '2 hours' where seen_at is not null`),
    )
    assert.equal((await person.get('/auth/projects')).status, 401)
    await slapd.remove(groupDn('movers'))
  })

  test('a domain that is disabled ends its tokens at once', async (t) => {
    const cloud = await testCloud(t, { directorySeconds: 3600 })
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const person = withToken(cloud, await tokenOf(cloud, 'ada', domain))
    assert.equal((await person.get('/auth/projects')).status, 200)
    await asAdmin(cloud).patch(`/domains/${domain}`, { domain: { enabled: false } })
    assert.equal((await person.get('/auth/projects')).status, 401)
    assert.equal(await trySignIn(cloud, 'ada', domain), 401)
  })

  test('a directory that is away is a 503 for its own users and nothing for others', async (t) => {
    const cloud = await testCloud(t, { directorySeconds: 0 })
    const other = await startSlapd()
    t.after(() => other.stop())
    const domain = await directoryDomain(cloud, 'corp', usualOptions(other))
    await addPerson(other, 'ada')
    const person = withToken(cloud, await tokenOf(cloud, 'ada', domain))
    await other.stop()
    for (let i = 0; i < 2; i++) {
      const away = await signIn(cloud, authOf('ada', domain))
      assert.equal(away.status, 503)
      assert.match(away.json.error.message, /directory of this domain does not answer/)
    }
    assert.equal((await person.get('/auth/projects')).status, 503)
    assert.equal((await asAdmin(cloud).get(`/users?domain_id=${domain}`)).status, 503)
    // everybody else, and the list of all
    const id = await teammate(cloud, 'local')
    await tokenFor(cloud, passwordAuth({ id }, "local's"))
    assert.equal((await asAdmin(cloud).get('/users')).status, 200)
    const second = await directoryDomain(cloud, 'other', usualOptions(slapd))
    await tokenOf(cloud, 'ada', second)
    // the domain can still be taken away
    await asAdmin(cloud).patch(`/domains/${domain}`, { domain: { enabled: false } })
    assert.equal((await asAdmin(cloud).delete(`/domains/${domain}`)).status, 204)
  })

  test('local sign-ins and token checks ask no directory', async (t) => {
    const cloud = await testCloud(t)
    await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const id = await teammate(cloud, 'local')
    await slapd.operations()
    const local = withToken(cloud, await tokenFor(cloud, passwordAuth({ id }, "local's", inTeam)))
    await tokenFor(cloud, passwordAuth({ name: 'local', domain: { id: 'default' } }, "local's"))
    assert.equal((await signIn(cloud, passwordAuth({ name: 'ada', domain: { id: 'default' } }, "ada's"))).status, 401)
    assert.equal((await local.get('/auth/projects')).status, 200)
    assert.doesNotMatch(await slapd.operations(), /SRCH|uid=/)
  })

  test('nothing of a directory can be written, in the words that clients know', async (t) => {
    const cloud = await testCloud(t)
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    const admin = asAdmin(cloud)
    const { ada } = await idsOf(cloud, 'users', domain)
    const { staff } = await idsOf(cloud, 'groups', domain)
    const local = await made(admin.post('/users', { user: { name: 'local' } }))
    const group = await made(admin.post('/groups', { group: { name: 'locals' } }))
    for (const answer of [
      await admin.post('/users', { user: { name: 'new', domain_id: domain } }),
      await admin.patch(`/users/${ada}`, { user: { email: 'x@example.org' } }),
      await admin.patch(`/users/${ada}`, { user: { password: 'new' } }),
      await admin.patch(`/users/${ada}`, { user: { enabled: false, options: {} } }),
      await admin.delete(`/users/${ada}`),
      await admin.post('/groups', { group: { name: 'new', domain_id: domain } }),
      await admin.patch(`/groups/${staff}`, { group: { name: 'x' } }),
      await admin.delete(`/groups/${staff}`),
      await admin.put(`/groups/${staff}/users/${ada}`),
      await admin.delete(`/groups/${staff}/users/${ada}`),
      await withToken(cloud, '').post(`/users/${ada}/password`, {
        user: { original_password: "ada's", password: 'new' },
      }),
    ])
      assert.deepEqual([answer.status, answer.json.error.message], [403, 'LDAP does not support write operations'])
    for (const path of [`/groups/${staff}/users/${local.id}`, `/groups/${group.id}/users/${ada}`]) {
      const answer = await admin.put(path)
      assert.equal(answer.status, 403)
      assert.match(answer.json.error.message, /across backend boundaries is not allowed/)
    }
    const guess = await withToken(cloud, '').post(`/users/${ada}/password`, {
      user: { original_password: 'guess', password: 'new' },
    })
    assert.equal(guess.status, 401)
    assert.equal(await trySignIn(cloud, 'ada', domain), 201)
  })

  test('a domain has its own users or a directory, and the default domain has its own', async (t) => {
    const cloud = await testCloud(t)
    const admin = asAdmin(cloud)
    const config = { config: { identity: { driver: 'ldap' }, ldap: usualOptions(slapd) } }
    assert.equal((await admin.put('/domains/default/config', config)).status, 403)
    const { id } = await made(admin.post('/domains', { domain: { name: 'mixed' } }))
    await made(admin.post('/users', { user: { name: 'own', domain_id: id } }))
    assert.equal((await admin.put(`/domains/${id}/config`, config)).status, 409)
    // without its directory, a domain's users are nobody's
    const domain = await directoryDomain(cloud, 'corp', usualOptions(slapd))
    await tokenOf(cloud, 'ada', domain)
    await admin.delete(`/domains/${domain}/config`)
    assert.equal(await trySignIn(cloud, 'ada', domain), 401)
    await made(admin.post('/users', { user: { name: 'ada', domain_id: domain, password: 'local' } }))
    assert.equal(await trySignIn(cloud, 'ada', domain, 'local'), 201)
  })
})
