// What mappings make of people, seen from outside.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, teammate, teamProject, tokenAuth, tokenFor, v3, withToken } from '../../testing.ts'
import { authPath, register, testProvider } from '../testing.ts'

const remote = [{ type: 'sub' }]
const jane = { user: { name: '{0}' } }

async function setUp(t: Parameters<typeof testCloud>[0], options: Parameters<typeof register>[2]) {
  const cloud = await testCloud(t)
  const provider = await testProvider(t, 'http://cloud.test')
  const { domainId } = await register(cloud, provider, options)
  const signIn = async (claims: object = {}) =>
    cloud.as('stranger').post(v3 + authPath, undefined, {
      headers: { authorization: `Bearer ${await provider.sign({ ...claims })}` },
    })
  return { cloud, admin: asAdmin(cloud), domainId, signIn }
}
const mapping = (rules: unknown[], version = '1.0') => ({ mapping: { rules, schema_version: version } })
const mappingPath = '/OS-FEDERATION/mappings/acme'

async function projectsOf(cloud: TestCloud, token: string) {
  const { json } = await withToken(cloud, token).get('/auth/projects')
  return json.projects.map(({ name }: { name: string }) => name).toSorted()
}

test('projects of a mapping are made, with the roles in them; roles that are not there let nobody in', async (t) => {
  const projects = [{ name: "{0}'s", roles: [{ name: 'member' }, { name: 'reader' }] }]
  const { cloud, admin, domainId, signIn } = await setUp(t, { rules: [{ local: [jane, { projects }], remote }] })
  const first = await signIn()
  assert.equal(first.status, 201, first.text)
  const token = first.headers['x-subject-token']!
  assert.deepEqual(await projectsOf(cloud, token), ["jane's"])
  const [project] = (await admin.get(`/projects?domain_id=${domainId}`)).json.projects
  const scoped = await tokenFor(cloud, tokenAuth(token, { project: { id: project.id } }))
  assert.equal((await withToken(cloud, scoped).get(`/projects/${project.id}`)).status, 200)
  assert.equal((await signIn()).status, 201, 'and again')
  assert.equal((await admin.get(`/projects?domain_id=${domainId}`)).json.projects.length, 1)

  const more = [{ name: 'more', roles: [{ name: 'nothing' }] }]
  await admin.patch(mappingPath, mapping([{ local: [jane, { projects: [...projects, ...more] }], remote }]))
  assert.equal((await signIn()).status, 401)
  assert.equal((await admin.get(`/projects?domain_id=${domainId}`)).json.projects.length, 1, 'nothing is half made')
  // what the mapping no longer gives stays, until version 3.0
  const others = [{ name: 'other', roles: [{ name: 'reader' }] }]
  await admin.patch(mappingPath, mapping([{ local: [jane, { projects: others }], remote }]))
  const both = (await signIn()).headers['x-subject-token']!
  assert.deepEqual(await projectsOf(cloud, both), ["jane's", 'other'])
  await admin.patch(mappingPath, mapping([{ local: [jane, { projects: others }], remote }], '3.0'))
  const one = (await signIn()).headers['x-subject-token']!
  assert.deepEqual(await projectsOf(cloud, one), ['other'])
  assert.equal((await withToken(cloud, scoped).get('/auth/catalog')).status, 401)
})

test('a local user: their own roles, no groups of the mapping, and whatever else they have to prove', async (t) => {
  const local = { user: { name: '{0}', type: 'local', domain: { id: 'default' } }, group: { id: 'none' } }
  const { cloud, admin, signIn } = await setUp(t, { rules: [{ local: [local], remote }] })
  assert.equal((await signIn()).status, 401, 'nobody of that name')
  const id = await teammate(cloud, 'jane')
  const { status, json, headers } = await signIn()
  assert.equal(status, 201)
  assert.deepEqual([json.token.user.id, json.token.user['OS-FEDERATION']], [id, undefined])
  await tokenFor(cloud, tokenAuth(headers['x-subject-token']!, { project: { id: teamProject } }))
  await admin.patch(`/users/${id}`, { user: { default_project_id: teamProject } })
  assert.equal((await signIn()).json.token.project.id, teamProject, 'as when they sign in by themselves')
  await admin.patch(`/users/${id}`, {
    user: { options: { multi_factor_auth_enabled: true, multi_factor_auth_rules: [['mapped', 'password']] } },
  })
  const half = await signIn()
  assert.equal(half.status, 401)
  assert.deepEqual(half.json.required_auth_methods, [['mapped', 'password']])
  const receipt = half.headers['openstack-auth-receipt']!
  const password = { user: { id, password: "jane's" } }
  const whole = await cloud
    .as('stranger')
    .post(
      `${v3}/auth/tokens`,
      { auth: { identity: { methods: ['password'], password } } },
      { headers: { 'openstack-auth-receipt': receipt } },
    )
  assert.equal(whole.status, 201, whole.text)
  await admin.patch(`/users/${id}`, { user: { enabled: false, options: { multi_factor_auth_enabled: null } } })
  assert.equal((await signIn()).status, 401)
})

test('a federated user’s name is nobody’s: it may be another’s, and opens no door', async (t) => {
  const rules = [{ local: [{ user: { id: '{0}', name: 'twin' }, domain: { id: 'default' } }], remote }]
  const { cloud, admin, signIn } = await setUp(t, { rules, version: '2.0' })
  await teammate(cloud, 'twin')
  const one = await signIn({ sub: 'a' })
  const other = await signIn({ sub: 'b/c d' })
  assert.equal(one.json.token.user.domain.id, 'default')
  assert.equal((await admin.get('/users?name=twin')).json.users.length, 3)
  assert.equal((await admin.get('/users?unique_id=b/c%2520d')).json.users[0].id, other.json.token.user.id)
  const auth = (user: object) => ({ auth: { identity: { methods: ['password'], password: { user } } } })
  const own = { name: 'twin', domain: { id: 'default' }, password: "twin's" }
  assert.equal((await cloud.as('stranger').post(`${v3}/auth/tokens`, auth(own))).status, 201)
  const federated = [{ idp_id: 'acme', protocols: [{ protocol_id: 'openid', unique_id: 'c' }] }]
  assert.equal((await admin.post('/users', { user: { name: 'c', federated } })).status, 400)
  assert.equal((await admin.patch(`/users/${one.json.token.user.id}`, { user: { federated } })).status, 400)
  const byId = { id: one.json.token.user.id, password: "twin's" }
  assert.equal((await cloud.as('stranger').post(`${v3}/auth/tokens`, auth(byId))).status, 401)
})

test('groups and domains that are not there', async (t) => {
  const rule = (local: object) => [{ local: [jane, local], remote }]
  const { admin, signIn } = await setUp(t, { rules: rule({ group: { id: 'none' } }) })
  const patched = async (rules: unknown[], version?: string) => {
    await admin.patch(mappingPath, mapping(rules, version))
    return signIn()
  }
  assert.deepEqual(
    (await signIn()).json.token.user['OS-FEDERATION'].groups,
    [],
    'a group that is not there gives nothing',
  )
  const unknown = await patched(rule({ group: { name: 'none', domain: { id: 'default' } } }))
  assert.deepEqual(unknown.json.token.user['OS-FEDERATION'].groups, [])
  assert.equal((await patched(rule({ group: { name: 'none', domain: { name: 'nowhere' } } }))).status, 401)
  assert.equal((await patched(rule({ domain: { id: 'nowhere' } }), '2.0')).status, 401)
  assert.equal((await patched([{ local: [jane], remote: [{ type: 'absent' }] }])).status, 401)
  assert.equal((await patched([{ local: [], remote }])).status, 401)
  assert.equal((await admin.delete(mappingPath)).status, 204)
  assert.equal((await signIn()).status, 401, 'without its mapping')
})

test('remote ids are asked for where the protocol says in which attribute they stand', async (t) => {
  const { admin, signIn } = await setUp(t, {
    rules: [{ local: [jane], remote }],
    idp: { remote_ids: ['the-cloud-of-acme'] },
  })
  const protocol = '/OS-FEDERATION/identity_providers/acme/protocols/openid'
  assert.equal((await signIn()).status, 201)
  await admin.patch(protocol, { protocol: { remote_id_attribute: 'OIDC-tenant' } })
  assert.equal((await signIn()).status, 401)
  assert.equal((await signIn({ tenant: 'another' })).status, 401)
  assert.equal((await signIn({ tenant: 'the-cloud-of-acme' })).status, 201)
})

test('tokens show the clouds to which one may go on', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const shown = async () =>
    (await cloud.as('member').get(`${v3}/auth/tokens`, { headers: { 'x-subject-token': cloud.as('member').token } }))
      .json.token.service_providers
  assert.equal(await shown(), undefined)
  const urls = { auth_url: 'https://beta.test/v3/auth', sp_url: 'https://beta.test/ecp' }
  await made(admin.put('/OS-FEDERATION/service_providers/beta', { service_provider: { ...urls, enabled: true } }))
  await made(admin.put('/OS-FEDERATION/service_providers/off', { service_provider: urls }))
  assert.deepEqual(await shown(), [{ id: 'beta', ...urls }])
})

test('sign-ins by a provider are in the audit trail, those that failed too', async (t) => {
  const { cloud, signIn } = await setUp(t, { rules: [{ local: [jane], remote }] })
  const { json } = await signIn()
  await signIn({ aud: 'urn:other' })
  await cloud.as('stranger').get(v3 + authPath)
  await cloud.app.audit.flush()
  const { events } = (await cloud.as('admin').get('/audit/events?action=authenticate')).json
  const mine = events.filter((each: { initiator: { id: string } }) => each.initiator.id === json.token.user.id)
  assert.deepEqual(
    mine.map(({ outcome }: { outcome: string }) => outcome),
    ['success'],
  )
  assert.ok(events.filter(({ outcome }: { outcome: string }) => outcome === 'failure').length >= 1)
})

test('what this cloud does not do, it says', async (t) => {
  const cloud = await testCloud(t)
  const stranger = cloud.as('stranger')
  assert.equal((await stranger.get(`${v3}/OS-FEDERATION/saml2/metadata`)).status, 501)
  assert.equal((await stranger.post(`${v3}/auth/OS-FEDERATION/saml2`, {})).status, 501)
  assert.equal((await stranger.post(`${v3}/auth/OS-FEDERATION/saml2/ecp`, {})).status, 501)
})
