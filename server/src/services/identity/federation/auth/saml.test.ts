import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { type Answer, type TestCloud, testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, roleId, teamProject, tokenAuth, tokenFor, v3, withToken } from '../../testing.ts'
import { at, audienceOf, bareOf, formOf, makePair, type TestProvider, testProvider } from '../saml/testing.ts'
import { dashboard } from '../testing.ts'

const idp = '/OS-FEDERATION/identity_providers/acme'
const protocol = `${idp}/protocols/saml2`
const ssoPath = `${v3}/auth/OS-FEDERATION/identity_providers/acme/protocols/saml2`
const begin = `${ssoPath}/websso?origin=${encodeURIComponent(dashboard)}`
const rules = [
  { local: [{ user: { name: '{0}', email: '{1}' } }], remote: [{ type: 'MELLON_NAME_ID' }, { type: 'mail' }] },
  { local: [{ groups: '{0}', domain: { id: 'default' } }], remote: [{ type: 'MELLON_groups' }] },
]

async function setUp(t: TestContext, publicUrl = 'http://cloud.test') {
  const cloud = await testCloud(t, { trustedDashboards: dashboard, publicUrl, addressAttempts: 0 })
  const provider = await testProvider(t)
  const admin = asAdmin(cloud)
  await made(admin.put(idp, { identity_provider: { enabled: true, remote_ids: [provider.entityId] } }))
  await made(admin.put('/OS-FEDERATION/mappings/acme', { mapping: { rules } }))
  const saml = samlOf(provider)
  const fields = { mapping_id: 'acme', remote_id_attribute: 'MELLON_IDP', saml }
  await made(admin.put(protocol, { protocol: fields }))
  const metadata = await cloud.as('stranger').get(`${ssoPath}/metadata`)
  assert.equal(metadata.status, 200, metadata.text)
  provider.trust(metadata.text)
  return { cloud, provider, admin, metadata, browser: browserOf(cloud) }
}
const samlOf = ({ entityId, ssoUrl, pair }: TestProvider) => ({
  entity_id: entityId,
  sso_url: ssoUrl,
  certificates: [pair.certificate],
})

/** Keeps cookies as browsers do: what another site's page posts goes without those that are SameSite=Lax. */
function browserOf(cloud: TestCloud) {
  const jar = new Map<string, { value: string; isLax: boolean }>()
  const keep = ({ headers }: Answer) => {
    const [, name = '', value = '', rest = ''] = /^([^=]+)=([^;]*);(.*)$/.exec(headers['set-cookie'] ?? '') ?? []
    if (name) jar.set(name, { value, isLax: rest.includes('SameSite=Lax') })
  }
  const stranger = cloud.as('stranger')
  return {
    jar,
    /** To the provider and as far as its form, which is not posted yet. */
    async signInThere() {
      const away = await stranger.get(begin)
      assert.equal(away.status, 302, away.text)
      keep(away)
      const answer = await fetch(away.headers['location']!)
      const page = await answer.text()
      assert.equal(answer.status, 200, page)
      return { away, ...formOf(page) }
    },
    async post({ action, fields }: { action: string; fields: URLSearchParams }, from: 'there' | 'here' = 'there') {
      const cookies = [...jar].filter(([, { isLax }]) => from === 'here' || !isLax)
      const answer = await stranger.post(new URL(action).pathname, undefined, {
        raw: fields.toString(),
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          cookie: cookies.map(([name, { value }]) => `${name}=${value}`).join('; '),
        },
      })
      keep(answer)
      return answer
    },
    /** The same, and what our own page then posts. */
    async postThrough(form: { action: string; fields: URLSearchParams }) {
      const halfway = await this.post(form)
      return halfway.status === 200 && halfway.text.includes('posted_again')
        ? this.post(formOf(halfway.text), 'here')
        : halfway
    },
  }
}
const tokenIn = ({ status, text }: Answer): string => {
  assert.equal(status, 200, text)
  const { action, fields } = formOf(text)
  assert.equal(action, dashboard)
  return fields.get('token') ?? assert.fail(text)
}

test('a browser: to the provider, back with a signed answer, on to the dashboard with a token', async (t) => {
  const { cloud, admin, metadata, browser } = await setUp(t)
  assert.match(metadata.headers['content-type']!, /^application\/samlmetadata\+xml/)
  assert.match(metadata.text, new RegExp(`entityID="http://cloud.test${ssoPath}/metadata"`))
  const group = await made(admin.post('/groups', { group: { name: 'staff' } }))
  await admin.put(`/projects/${teamProject}/groups/${group.id}/roles/${await roleId(cloud, 'member')}`)
  const form = await browser.signInThere()
  const [cookie] = browser.jar.keys()
  assert.match(form.away.headers['set-cookie']!, /; Path=\/identity\/v3\/auth\/OS-FEDERATION; .*; SameSite=Lax$/)
  assert.equal(cookie, `pileus-sso-${form.fields.get('RelayState')}`)
  // by plain http the cookie does not come with another site's form: our own page posts it again
  const halfway = await browser.post(form)
  assert.match(halfway.headers['content-security-policy']!, /form-action http:\/\/cloud\.test;/)
  assert.equal(halfway.headers['cache-control'], 'no-store')
  const again = formOf(halfway.text)
  assert.equal(again.action, form.action)
  const arrived = await browser.post(again, 'here')
  const token = tokenIn(arrived)
  assert.match(arrived.headers['set-cookie']!, /=; .*Max-Age=0;/)

  const { json } = await cloud.as('admin').get(`${v3}/auth/tokens`, { headers: { 'x-subject-token': token } })
  assert.deepEqual([json.token.methods, json.token.user.name, json.token.project], [['mapped'], 'ada', undefined])
  assert.deepEqual(json.token.user['OS-FEDERATION'], {
    identity_provider: { id: 'acme' },
    protocol: { id: 'saml2' },
    groups: [{ id: group.id }],
  })
  assert.equal((await admin.get(`/users/${json.token.user.id}`)).json.user.email, 'ada@example.org')
  const scoped = await tokenFor(cloud, tokenAuth(token, { project: { id: teamProject } }))
  assert.equal((await withToken(cloud, scoped).get(`/projects/${teamProject}`)).status, 200)

  await cloud.app.audit.flush()
  const { events } = (await cloud.as('admin').get('/audit/events?action=authenticate')).json
  const told = (events as { target: { typeURI: string; id: string }; outcome: string }[]).filter(({ target }) =>
    target.typeURI.endsWith('/callback'),
  )
  const outcomes = told.map(({ target, outcome }) => [target.id, outcome])
  assert.deepEqual(outcomes, [[json.token.user.id, 'success']], 'the page halfway signed nobody in')
})

test('by https the cookie comes with the provider’s form, and nothing is posted twice', async (t) => {
  const { browser } = await setUp(t, 'https://cloud.test')
  const form = await browser.signInThere()
  assert.match(form.away.headers['set-cookie']!, /; HttpOnly; SameSite=None; Secure$/)
  tokenIn(await browser.post(form))
})

test('answers that are wrong are all the same 401', async (t) => {
  const { cloud, provider, admin, browser } = await setUp(t)
  const usual = { lies: {}, spoil: (xml: string) => xml, signer: provider.pair }
  const texts = new Set<string>()
  const refused = (answer: Answer, what: string) => {
    assert.deepEqual([answer.status, answer.text.includes('token"')], [401, false], what)
    texts.add(answer.text)
  }
  const wrong: Record<string, Partial<TestProvider>> = {
    unsigned: { signer: undefined },
    'signed by a stranger': { signer: makePair() },
    'another name': { spoil: (xml) => xml.replace('>ada<', '>root<') },
    'another group': { spoil: (xml) => xml.replace('>staff<', '>admins<') },
    'no XML': { spoil: () => 'no XML' },
    'for another audience': { lies: { audience: audienceOf('https://other.test') } },
    'for everybody': { lies: { audience: '' } },
    'for another address': { lies: { recipient: 'https://other.test/callback' } },
    'of another provider': { lies: { issuer: 'https://other.test' } },
    expired: { lies: { until: at(-600_000), confirmedUntil: at(-600_000) } },
    'not good yet': { lies: { from: at(600_000) } },
    'to a request that nobody made': { lies: { inResponseTo: '_nobody' } },
  }
  for (const [what, lie] of Object.entries(wrong)) {
    Object.assign(provider, usual, lie)
    refused(await browser.postThrough(await browser.signInThere()), what)
  }
  Object.assign(provider, usual)
  const form = await browser.signInThere()
  const other = await browser.signInThere()
  const change = (fields: Record<string, string>, { action, fields: had } = form) => ({
    action,
    fields: new URLSearchParams({ ...Object.fromEntries(had), ...fields }),
  })
  refused(await browserOf(cloud).postThrough(form), 'in a browser that did not begin it')
  refused(await browser.postThrough(change({ RelayState: 'nobody' })), 'to a sign-in that nobody began')
  refused(await browser.postThrough(change({ RelayState: '' })), 'to none, as when the provider begins')
  refused(await browser.postThrough(change({ SAMLResponse: form.fields.get('SAMLResponse')! }, other)), 'another one’s')
  refused(await browser.postThrough({ action: form.action, fields: new URLSearchParams() }), 'nothing')
  refused(await cloud.as('stranger').get(new URL(form.action).pathname), 'no form')
  refused(await cloud.as('stranger').post(v3 + protocol + '/auth'), 'a client without a browser')
  const elsewhere = form.action.replace('acme', 'other')
  refused(await browser.postThrough({ ...form, action: elsewhere }), 'another provider’s address')
  refused(await cloud.as('stranger').get(`${ssoPath.replace('acme', 'other')}/metadata`), 'whose metadata?')
  const big = await browser.postThrough(change({ SAMLResponse: 'A'.repeat(600_000) }))
  assert.equal(big.status, 413)

  const cookies = [...browser.jar]
  tokenIn(await browser.postThrough(form))
  for (const [name, kept] of cookies) browser.jar.set(name, kept)
  refused(await browser.postThrough(form), 'once more, with the cookie')

  const late = await browser.signInThere()
  await admin.patch(idp, { identity_provider: { enabled: false } })
  refused(await browser.postThrough(late), 'the provider is disabled by now')
  refused(await cloud.as('stranger').get(begin), 'nor does anybody get there')
  await admin.patch(idp, { identity_provider: { enabled: true, remote_ids: ['https://renamed.test'] } })
  refused(await browser.postThrough(late), 'the provider calls itself otherwise by now')
  assert.equal(texts.size, 1, [...texts].join('\n'))
})

test('an admin who says what the provider is', async (t) => {
  const { provider, admin, browser } = await setUp(t)
  const saml = samlOf(provider)
  assert.deepEqual((await admin.get(protocol)).json.protocol.saml, saml)
  const change = (fields: object) => admin.patch(protocol, { protocol: fields })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const wrong of [
    { ...saml, sso_url: 'http://id.example.org/sso' },
    { ...saml, sso_url: 'nowhere' },
    { ...saml, sso_url: 'javascript:alert(1)' },
    { ...saml, certificates: [] },
    { ...saml, certificates: ['nothing'] },
    { ...saml, certificates: [secret] },
    { ...saml, certificates: [saml.certificates[0] + secret] },
    { ...saml, certificates: [saml.certificates[0]! + saml.certificates[0]!] },
    { ...saml, certificates: [makePair(['-newkey', 'rsa:1024']).certificate] },
    { ...saml, certificates: [makePair(['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']).certificate] },
    { ...saml, clock_skew_seconds: 301 },
    { ...saml, entity_id: '' },
    { ...saml, private_key: secret },
    { entity_id: saml.entity_id },
  ]) {
    const answer = await change({ saml: wrong })
    assert.equal(answer.status, 400, JSON.stringify(wrong))
    assert.match(answer.json.error.message, /\.$/)
    assert.ok(!answer.text.includes(secret.slice(40, 80)), 'a key that was pasted is not shown')
  }
  const oidc = { issuer: 'https://id.example.org', client_id: 'cloud' }
  assert.equal((await change({ saml, oidc })).status, 400)
  // while the provider changes its certificate; and under a name that it chose for us
  const both = { ...saml, certificates: [makePair().certificate, bareOf(provider.pair)], sp_entity_id: 'urn:our:cloud' }
  const changed = await change({ saml: both })
  assert.equal(changed.json.protocol.saml.certificates[1].trim(), provider.pair.certificate.trim(), changed.text)
  provider.lies = { audience: audienceOf('urn:our:cloud') }
  const away = browser.signInThere()
  await assert.rejects(away, /urn:our:cloud/, 'the provider knows us by the old name')
  // each way of speaking ends only itself
  assert.equal((await change({ oidc: null })).json.protocol.saml.sp_entity_id, 'urn:our:cloud')
  const spoken = (await change({ oidc })).json.protocol
  assert.deepEqual([spoken.saml, spoken.oidc.client_id], [undefined, 'cloud'])
  assert.equal((await change({ saml })).json.protocol.oidc, undefined)
  assert.equal((await change({ saml: null })).json.protocol.saml, undefined)
})
