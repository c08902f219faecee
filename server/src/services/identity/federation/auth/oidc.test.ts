import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from 'jose'
import { sql } from '#lib/db.ts'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, roleId, teamProject, tokenAuth, tokenFor, v3, withToken } from '../../testing.ts'
import { audience, authPath, client, dashboard, register, signInAtProvider, ssoPath, testProvider } from '../testing.ts'

const bearer = (cloud: TestCloud, token: string, path = authPath) =>
  cloud.as('stranger').post(v3 + path, undefined, { headers: { authorization: `Bearer ${token}` } })

async function setUp(t: Parameters<typeof testCloud>[0], options: Parameters<typeof register>[2] = {}) {
  const cloud = await testCloud(t, { trustedDashboards: `https://other.test/, ${dashboard}` })
  const provider = await testProvider(t, 'http://cloud.test')
  const { domainId } = await register(cloud, provider, options)
  return { cloud, provider, domainId, admin: asAdmin(cloud) }
}

const passwordOf = (username: string) => ({
  grant_type: 'password',
  username,
  password: `${username}'s`,
  scope: 'openid email groups',
})

test('a bearer token of a user becomes a token, a user of the provider’s domain, and groups', async (t) => {
  const { cloud, provider, domainId, admin } = await setUp(t)
  const group = await made(admin.post('/groups', { group: { name: 'developers' } }))
  await admin.put(`/projects/${teamProject}/groups/${group.id}/roles/${await roleId(cloud, 'member')}`)
  const answer = await bearer(cloud, await provider.grant(passwordOf('jane')))
  assert.equal(answer.status, 201, answer.text)
  const { token } = answer.json
  assert.deepEqual(token.methods, ['mapped'])
  assert.deepEqual(token.user, {
    id: token.user.id,
    name: 'jane',
    domain: { id: domainId, name: domainId },
    'OS-FEDERATION': {
      identity_provider: { id: 'acme' },
      protocol: { id: 'openid' },
      groups: [{ id: group.id }],
    },
  })
  assert.deepEqual([token.project, token.roles, token.catalog], [undefined, undefined, undefined])

  const jane = withToken(cloud, answer.headers['x-subject-token']!)
  for (const path of ['/auth/projects', '/OS-FEDERATION/projects'])
    assert.deepEqual(
      (await jane.get(path)).json.projects.map(({ id }: { id: string }) => id),
      [teamProject],
    )
  assert.deepEqual((await jane.get('/OS-FEDERATION/domains')).json.domains, [])
  assert.deepEqual((await jane.get('/auth/system')).json.system, [])
  const scope = { project: { id: teamProject } }
  const scoped = await tokenFor(cloud, tokenAuth(answer.headers['x-subject-token']!, scope))
  const { json } = await cloud.as('admin').get(`${v3}/auth/tokens`, { headers: { 'x-subject-token': scoped } })
  assert.deepEqual(json.token.methods, ['token', 'mapped'])
  assert.deepEqual(json.token.user['OS-FEDERATION'].groups, [{ id: group.id }])
  assert.deepEqual(
    json.token.roles.map(({ name }: { name: string }) => name),
    ['member', 'reader'],
  )
  assert.equal(json.token.expires_at, token.expires_at)
  // as Keystone's older clients ask for it
  const saml2 = { identity: { methods: ['saml2'], saml2: { id: scoped } }, scope }
  assert.equal((await cloud.as('stranger').post(`${v3}/auth/tokens`, { auth: saml2 })).status, 201)
  assert.equal((await withToken(cloud, scoped).get(`/projects/${teamProject}`)).status, 200)
  const user = (await admin.get(`/users/${token.user.id}`)).json.user
  assert.deepEqual(user.federated, [{ idp_id: 'acme', protocols: [{ protocol_id: 'openid', unique_id: 'jane' }] }])
  assert.equal((await admin.get('/users?unique_id=jane&idp_id=acme&protocol_id=openid')).json.users.length, 1)
  assert.equal((await admin.get('/users?unique_id=joan')).json.users.length, 0)
  assert.equal((await admin.get(`/groups/${group.id}/users`)).json.users[0].id, user.id)
  assert.equal((await admin.patch(`/users/${user.id}`, { user: { password: 'x' } })).status, 400)
})

test('who comes again is the same, with what the provider says by then', async (t) => {
  const { cloud, provider, admin } = await setUp(t)
  const group = await made(admin.post('/groups', { group: { name: 'developers' } }))
  await admin.put(`/projects/${teamProject}/groups/${group.id}/roles/${await roleId(cloud, 'member')}`)
  const scope = { project: { id: teamProject } }
  const first = await bearer(cloud, await provider.grant(passwordOf('jane')))
  const scoped = await tokenFor(cloud, tokenAuth(first.headers['x-subject-token']!, scope))
  assert.equal((await withToken(cloud, scoped).get('/auth/catalog')).status, 200)
  provider.people['jane']!.groups = []
  const again = await bearer(cloud, await provider.grant(passwordOf('jane')))
  assert.equal(again.json.token.user.id, first.json.token.user.id)
  assert.deepEqual(again.json.token.user['OS-FEDERATION'].groups, [])
  assert.equal((await withToken(cloud, scoped).get('/auth/catalog')).status, 401, 'the group is gone at once')
  const bob = await bearer(cloud, await provider.grant(passwordOf('bob')))
  assert.notEqual(bob.json.token.user.id, first.json.token.user.id)
})

test('a group ends when its time is over, in every token', async (t) => {
  const { cloud, provider, admin } = await setUp(t, { idp: { authorization_ttl: 24 * 60 } })
  const group = await made(admin.post('/groups', { group: { name: 'staff' } }))
  await admin.put(`/projects/${teamProject}/groups/${group.id}/roles/${await roleId(cloud, 'reader')}`)
  const { json, headers } = await bearer(cloud, await provider.grant(passwordOf('bob')))
  const [row] = await cloud.db.rows<{ hours: string }>(
    sql`select extract(epoch from expires_at - now()) / 3600 as hours from federated_membership`,
  )
  assert.equal(Math.round(Number(row?.hours)), 24, 'the provider’s time, which is longer than a token lives')
  const scoped = await tokenFor(cloud, tokenAuth(headers['x-subject-token']!, { project: { id: teamProject } }))
  const bob = withToken(cloud, scoped)
  assert.equal((await bob.get('/auth/catalog')).status, 200)
  const { id: userId } = json.token.user
  assert.equal((await admin.head(`/groups/${group.id}/users/${userId}`)).status, 204)
  await cloud.db.transaction(async (tx) => {
    await tx.rows(sql`update federated_membership set expires_at = now() - interval '1 second'`)
    await tx.publish('identity', 'changed')
  })
  assert.equal((await bob.get('/auth/catalog')).status, 401)
  assert.equal((await admin.head(`/groups/${group.id}/users/${userId}`)).status, 404)
})

test('a provider that is disabled or gone, a protocol or a domain that is gone: their tokens are void', async (t) => {
  const { cloud, provider, domainId, admin } = await setUp(t)
  const idp = '/OS-FEDERATION/identity_providers/acme'
  const signIn = async () => {
    const answer = await bearer(cloud, await provider.grant(passwordOf('jane')))
    assert.equal(answer.status, 201, answer.text)
    return { jane: withToken(cloud, answer.headers['x-subject-token']!), id: answer.json.token.user.id as string }
  }
  const { jane, id } = await signIn()
  assert.equal((await jane.get('/auth/projects')).status, 200)
  await admin.patch(idp, { identity_provider: { enabled: false } })
  assert.equal((await jane.get('/auth/projects')).status, 401)
  assert.equal((await bearer(cloud, await provider.grant(passwordOf('jane')))).status, 401)
  await admin.patch(idp, { identity_provider: { enabled: true } })
  assert.equal((await jane.get('/auth/projects')).status, 200)
  await admin.patch(`/domains/${domainId}`, { domain: { enabled: false } })
  assert.equal((await jane.get('/auth/projects')).status, 401)
  await admin.patch(`/domains/${domainId}`, { domain: { enabled: true } })
  await admin.patch(`/users/${id}`, { user: { enabled: false } })
  assert.equal((await bearer(cloud, await provider.grant(passwordOf('jane')))).status, 401)
  await admin.delete(`/users/${id}`)
  const later = await signIn()
  assert.equal(later.id, id, 'who comes again is who they were')
  assert.equal((await jane.get('/auth/projects')).status, 401, 'and their old tokens stay void')
  assert.equal((await later.jane.get('/auth/projects')).status, 200)
  assert.equal((await admin.delete(`${idp}/protocols/openid`)).status, 204)
  assert.equal((await later.jane.get('/auth/projects')).status, 401)
  assert.equal((await admin.get(`/users/${id}`)).status, 404)
})

test('client credentials: a JWT that is checked with the provider’s keys alone', async (t) => {
  const { cloud, provider } = await setUp(t)
  const token = await provider.grant({ grant_type: 'client_credentials', resource: audience, scope: 'cloud' })
  assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  const answer = await bearer(cloud, token)
  assert.equal(answer.status, 201, answer.text)
  assert.equal(answer.json.token.user.name, client.id)
  await bearer(cloud, token)
  assert.equal(provider.asked('/token/introspection'), 0)
  assert.equal(provider.asked('/jwks'), 1, 'keys are kept')
  assert.equal(provider.asked('/.well-known/openid-configuration'), 1)
})

test('tokens that are forged, expired, of another or for another are all the same 401', async (t) => {
  const { cloud, provider } = await setUp(t)
  const stranger = await generateKeyPair('RS256')
  const now = Math.floor(Date.now() / 1000)
  const payload = Buffer.from(JSON.stringify({ iss: provider.issuer, aud: audience, sub: 'jane', exp: now + 60 }))
  const header = (fields: object) => Buffer.from(JSON.stringify(fields)).toString('base64url')
  const good = await provider.sign({})
  const [head = '', body = '', signature = ''] = good.split('.')
  const wrong = {
    'signed by a stranger': await provider.sign({}, {}, stranger.privateKey),
    'signed by a stranger with a key of another name': await provider.sign({}, { kid: 'other' }, stranger.privateKey),
    expired: await provider.sign({ exp: now - 60 }),
    'not yet good': await provider.sign({ nbf: now + 600 }),
    'for another audience': await provider.sign({ aud: 'urn:other' }),
    'for nobody': await provider.sign({ aud: [] }),
    'of another issuer': await provider.sign({ iss: 'https://elsewhere.test' }),
    'without an end': await provider.sign({ exp: undefined as never }),
    'of nobody': await provider.sign({ sub: undefined as never }),
    'a logout token': await provider.sign({}, { typ: 'logout+jwt' }),
    'bound to a key': await provider.sign({ cnf: { jkt: 'x' } }),
    'signed by none': `${header({ alg: 'none' })}.${payload.toString('base64url')}.`,
    'said to be signed by a shared secret': `${header({ alg: 'HS256' })}.${payload.toString('base64url')}.AAAA`,
    'changed behind its signature': `${head}.${payload.toString('base64url')}.${signature}`,
    'cut off': `${head}.${body}.${signature.slice(0, -8)}`,
    'an opaque one that nobody gave': 'nobody-gave-this',
    'no token': '',
  }
  assert.equal((await bearer(cloud, good)).status, 201)
  const texts = new Set<string>()
  for (const [what, token] of Object.entries(wrong)) {
    const answer = await bearer(cloud, token)
    assert.equal(answer.status, 401, what)
    texts.add(answer.text)
  }
  const nobody = authPath.replace('acme', 'nobody')
  for (const path of [nobody, authPath.replace('openid', 'other')]) {
    const answer = await bearer(cloud, good, path)
    assert.equal(answer.status, 401, path)
    texts.add(answer.text)
  }
  assert.equal((await cloud.as('stranger').get(v3 + authPath)).status, 401)
  assert.equal(texts.size, 1, [...texts].join('\n'))
})

test('an opaque token: introspected, or shown by userinfo where the operator says so', async (t) => {
  const { cloud, provider, admin } = await setUp(t)
  const openid = '/OS-FEDERATION/identity_providers/acme/protocols/openid'
  const token = await provider.grant(passwordOf('jane'))
  assert.equal((await bearer(cloud, token)).status, 201)
  assert.equal(provider.asked('/token/introspection'), 1)
  const oidc = { issuer: provider.issuer, client_id: client.id, audiences: ['urn:other'] }
  await admin.patch(openid, { protocol: { oidc } })
  assert.equal((await bearer(cloud, token)).status, 401, 'meant for another')
  await admin.patch(openid, { protocol: { oidc: { ...oidc, audiences: undefined, client_secret: null } } })
  assert.equal((await bearer(cloud, token)).status, 401, 'without a secret nothing is introspected')
  await admin.patch(openid, { protocol: { oidc: { ...oidc, opaque_tokens: 'userinfo' } } })
  assert.equal((await bearer(cloud, token)).json.token.user.name, 'jane')
  assert.equal((await bearer(cloud, 'nobody-gave-this')).status, 401)
  await admin.patch(openid, { protocol: { oidc: null } })
  assert.equal((await bearer(cloud, token)).status, 401)
})

test('web sign-in: to the provider, back with a code, and on to the dashboard with a token', async (t) => {
  const { cloud, provider } = await setUp(t)
  const browser = cloud.as('stranger')
  const paths = [
    `${ssoPath}/websso?origin=${encodeURIComponent(dashboard)}`,
    `${v3}/auth/OS-FEDERATION/websso/openid?origin=${encodeURIComponent(dashboard)}`,
  ]
  for (const path of paths) {
    const away = await browser.get(path)
    assert.equal(away.status, 302, away.text)
    const asked = new URL(away.headers['location']!)
    assert.equal(asked.origin, provider.issuer)
    assert.equal(asked.searchParams.get('code_challenge_method'), 'S256')
    const setCookie = away.headers['set-cookie']!
    assert.match(setCookie, /; Path=\/identity\/v3\/auth\/OS-FEDERATION; Max-Age=600; HttpOnly; SameSite=Lax$/)
    const [cookie = ''] = setCookie.split(';')
    const back = await signInAtProvider(asked.href, 'jane')
    assert.equal(back.origin + back.pathname, `http://cloud.test${ssoPath}/callback`)
    const answer = back.pathname + back.search
    const arrived = await browser.get(answer, { headers: { cookie: `a=b; ${cookie}` } })
    assert.equal(arrived.status, 200, arrived.text)
    assert.match(arrived.headers['content-type']!, /^text\/html/)
    assert.match(arrived.headers['content-security-policy']!, /form-action https:\/\/dashboard\.test;/)
    assert.match(
      arrived.text,
      /<form id="sso" name="sso" action="https:\/\/dashboard\.test\/auth\/websso\/" method="post">/,
    )
    const token = /name="token" id="token" value="([^"]+)"/.exec(arrived.text)?.[1] ?? assert.fail(arrived.text)
    const { json } = await cloud.as('admin').get(`${v3}/auth/tokens`, { headers: { 'x-subject-token': token } })
    assert.equal(json.token.user.name, 'jane')
    const again = await browser.get(answer, { headers: { cookie } })
    assert.deepEqual([again.status, /token/.test(again.text)], [401, false], 'an answer is good once')
  }
})

test('answers that belong to nothing, or to another, are refused', async (t) => {
  const { cloud, provider } = await setUp(t)
  const browser = cloud.as('stranger')
  const begin = async () => {
    const away = await browser.get(`${ssoPath}/websso?origin=${encodeURIComponent(dashboard)}`)
    const [cookie = ''] = away.headers['set-cookie']!.split(';')
    return { cookie, back: await signInAtProvider(away.headers['location']!, 'jane') }
  }
  const arrive = (url: URL, cookie: string) =>
    browser.get(url.pathname + url.search, { headers: cookie ? { cookie } : {} })
  const one = await begin()
  const other = await begin()
  assert.equal((await arrive(one.back, '')).status, 401, 'another browser')
  assert.equal((await arrive(one.back, other.cookie)).status, 401, 'another sign-in’s cookie')
  const [name = ''] = one.cookie.split('=')
  assert.equal((await arrive(one.back, `${name}=${other.cookie.split('=')[1]}`)).status, 401, 'renamed')
  assert.equal((await arrive(one.back, `${name}=AAAA`)).status, 401)
  const elsewhere = new URL(one.back)
  elsewhere.pathname = elsewhere.pathname.replace('acme', 'other')
  assert.equal((await arrive(elsewhere, one.cookie)).status, 401, 'another provider’s address')
  const mixed = new URL(one.back)
  mixed.searchParams.set('iss', 'https://attacker.test')
  assert.equal((await arrive(mixed, one.cookie)).status, 401, 'another issuer')
  const third = await begin()
  const swapped = new URL(other.back)
  swapped.searchParams.set('code', third.back.searchParams.get('code')!)
  assert.equal((await arrive(swapped, other.cookie)).status, 401, 'a code that another sign-in got')
  const denied = new URL(third.back)
  denied.searchParams.delete('code')
  denied.searchParams.set('error', 'access_denied')
  assert.equal((await arrive(denied, third.cookie)).status, 401)
  assert.equal(provider.asked('/token') > 0, true)
})

test('a token goes to no dashboard that the operator does not trust', async (t) => {
  const { cloud, admin } = await setUp(t)
  const browser = cloud.as('stranger')
  const at = async (origin: string) =>
    (await browser.get(`${ssoPath}/websso${origin && `?origin=${encodeURIComponent(origin)}`}`)).status
  assert.equal(await at(''), 400)
  assert.equal(await at('https://evil.test/'), 401)
  assert.equal(await at(`${dashboard}/more`), 401)
  assert.equal(await at(`${dashboard}@evil.test`), 401)
  assert.equal(await at('https://DASHBOARD.test/auth/websso/'), 302)
  const unknown = `${ssoPath.replace('acme', 'nobody')}/websso?origin=${encodeURIComponent(dashboard)}`
  assert.equal((await browser.get(unknown)).status, 401)
  // with a second provider nobody knows which one is meant, unless it is named
  await made(admin.put('/OS-FEDERATION/identity_providers/two', { identity_provider: { enabled: true } }))
  const { protocol } = (await admin.get('/OS-FEDERATION/identity_providers/acme/protocols/openid')).json
  const { oidc } = protocol
  await made(
    admin.put('/OS-FEDERATION/identity_providers/two/protocols/openid', { protocol: { mapping_id: 'acme', oidc } }),
  )
  const any = `${v3}/auth/OS-FEDERATION/websso/openid?origin=${encodeURIComponent(dashboard)}`
  assert.equal((await browser.get(any)).status, 401)
  await admin.patch('/OS-FEDERATION/identity_providers/two', { identity_provider: { remote_ids: ['the-second'] } })
  assert.equal((await browser.get(`${any}&iss=the-second`)).status, 302)
  assert.equal((await browser.get(`${any}&iss=the-third`)).status, 401)
})

test('an admin who says how a provider is reached', async (t) => {
  const { cloud, provider, admin } = await setUp(t)
  const path = '/OS-FEDERATION/identity_providers/acme/protocols/openid'
  const shown = await admin.get(path)
  assert.equal(shown.json.protocol.oidc.client_id, client.id)
  assert.ok(!shown.text.includes('the secret'), 'the secret is never shown')
  const kept = await cloud.db.rows<{ row: string }>(sql`select p::text as row from federation_protocol p`)
  assert.ok(!kept.some(({ row }) => row.includes('the secret')), 'nor kept in the clear')
  const change = (oidc: object) => admin.patch(path, { protocol: { oidc } })
  const base = { issuer: provider.issuer, client_id: client.id }
  for (const wrong of [
    { ...base, issuer: 'http://id.example.org' },
    { ...base, issuer: 'ldap://id.example.org' },
    { ...base, issuer: 'https://id.example.org/?x=1' },
    { ...base, issuer: 'nowhere' },
    { ...base, scopes: ['email'] },
    { ...base, opaque_tokens: 'guess' },
    { ...base, secret: 'x' },
    { issuer: provider.issuer },
  ]) {
    const answer = await change(wrong)
    assert.equal(answer.status, 400, JSON.stringify(wrong))
    assert.match(answer.json.error.message, /\.$/)
  }
  // the secret stays with its provider, and goes to no other
  const isGood = async () => (await bearer(cloud, await provider.grant(passwordOf('jane')))).status
  assert.equal((await change(base)).status, 200)
  assert.equal(await isGood(), 201)
  await change({ ...base, issuer: 'https://id.example.org' })
  await change(base)
  assert.equal(await isGood(), 401)
})

test('new keys: the secret is sealed anew', async (t) => {
  const { cloud, provider } = await setUp(t)
  const { userId, token } = cloud.as('admin')
  await cloud.db.transaction((tx) =>
    tx.rows(sql`insert into role_assignment (actor_kind, actor_id, target_kind, target_id, role_id)
      select 'user', ${userId}, 'system', '', r.id from role r where r.name = 'admin' and r.domain_id is null
      on conflict do nothing`),
  )
  const system = withToken(cloud, await tokenFor(cloud, tokenAuth(token, { system: { all: true } })))
  assert.equal((await system.post('/keys/rotate')).json.keys.resealed, 1)
  await cloud.db.transaction((tx) => tx.rows(sql`delete from secret where name = 'credential' and serial = 1`))
  assert.equal((await bearer(cloud, await provider.grant(passwordOf('jane')))).status, 201)
})
