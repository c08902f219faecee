import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, withToken } from '../testing.ts'

const base = '/OS-FEDERATION'
const providers = `${base}/identity_providers`
const rules = [{ local: [{ user: { name: '{0}' } }], remote: [{ type: 'sub' }] }]

test('an identity provider: made with a domain of its own, listed, changed, removed', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const path = `${providers}/acme`
  const provider = await made(
    admin.put(path, { identity_provider: { description: 'ours', remote_ids: ['https://b', 'https://a'] } }),
  )
  assert.deepEqual(provider, {
    id: 'acme',
    domain_id: provider['domain_id'],
    enabled: false,
    description: 'ours',
    remote_ids: ['https://a', 'https://b'],
    authorization_ttl: null,
    links: {
      self: `http://cloud.test/identity/v3${path}`,
      protocols: `http://cloud.test/identity/v3${path}/protocols`,
    },
  })
  const domain = (await admin.get(`/domains/${String(provider['domain_id'])}`)).json.domain
  assert.equal(domain.enabled, true)
  assert.equal((await admin.put(path, { identity_provider: {} })).status, 409)
  const changed = await admin.patch(path, {
    identity_provider: { enabled: true, authorization_ttl: 60, remote_ids: ['https://c'] },
  })
  assert.deepEqual(
    [changed.json.identity_provider.enabled, changed.json.identity_provider.remote_ids],
    [true, ['https://c']],
  )
  assert.equal((await admin.patch(path, { identity_provider: { remote_ids: null } })).status, 200)
  const other = await made(admin.put(`${providers}/other`, { identity_provider: { domain_id: 'default' } }))
  assert.equal(other['domain_id'], 'default')
  const ids = async (query: string) =>
    (await admin.get(`${providers}${query}`)).json.identity_providers.map((each: { id: string }) => each.id)
  assert.deepEqual(await ids(''), ['acme', 'other'])
  assert.deepEqual(await ids('?enabled=true'), ['acme'])
  assert.deepEqual(await ids('?id=other'), ['other'])
  assert.deepEqual(await ids('?limit=1'), ['acme'])
  assert.equal((await admin.delete(path)).status, 204)
  assert.equal((await admin.get(path)).status, 404)
  assert.equal((await admin.head(`/domains/${domain.id}`)).status, 200, 'its domain stays')
})

test('a remote id belongs to one provider; wrong ones are refused', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  await made(admin.put(`${providers}/a`, { identity_provider: { remote_ids: ['x'] } }))
  const again = await admin.put(`${providers}/b`, { identity_provider: { remote_ids: ['x'] } })
  assert.deepEqual([again.status, again.json.error.message], [409, 'Duplicate remote ID: x'])
  assert.equal((await admin.get(`${providers}/b`)).status, 404, 'nothing is half made')
  const { length } = (await admin.get('/domains')).json.domains
  assert.equal((await admin.put(`${providers}/b`, { identity_provider: { remote_ids: ['x'] } })).status, 409)
  assert.equal((await admin.get('/domains')).json.domains.length, length)
  for (const wrong of [
    { remote_ids: ['y', 'y'] },
    { remote_ids: 'y' },
    { enabled: 'yes' },
    { authorization_ttl: -1 },
    { nickname: 'b' },
  ])
    assert.equal((await admin.put(`${providers}/b`, { identity_provider: wrong })).status, 400, JSON.stringify(wrong))
  assert.equal((await admin.put(`${providers}/b`, { identity_provider: { domain_id: 'nowhere' } })).status, 404)
  assert.equal((await admin.put(`${providers}/b%20c`, { identity_provider: {} })).status, 400)
  assert.equal((await admin.put(`${providers}/${'b'.repeat(65)}`, { identity_provider: {} })).status, 400)
  assert.equal((await admin.patch(`${providers}/a`, { identity_provider: { domain_id: 'default' } })).status, 400)
  assert.equal((await admin.patch(`${providers}/a`, { identity_provider: {} })).status, 400)
})

test('a domain takes its identity providers along', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const { domain_id: domainId } = await made(admin.put(`${providers}/a`, { identity_provider: {} }))
  const domain = `/domains/${String(domainId)}`
  await admin.patch(domain, { domain: { enabled: false } })
  assert.equal((await admin.delete(domain)).status, 204)
  assert.equal((await admin.get(`${providers}/a`)).status, 404)
})

test('a mapping: stored as it was given, replaced, and refused when nobody could follow it', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const path = `${base}/mappings/m`
  const mapping = await made(admin.put(path, { mapping: { rules } }))
  assert.deepEqual(mapping, {
    id: 'm',
    rules,
    schema_version: '1.0',
    links: { self: `http://cloud.test/identity/v3${path}` },
  })
  assert.equal((await admin.put(path, { mapping: { rules } })).status, 409)
  const other = [{ local: [], remote: [{ type: 'email' }] }]
  const changed = await admin.patch(path, { mapping: { rules: other, schema_version: '2.0' } })
  assert.deepEqual(
    [changed.status, changed.json.mapping.rules, changed.json.mapping.schema_version],
    [200, other, '2.0'],
  )
  assert.deepEqual((await admin.get(`${base}/mappings`)).json.mappings.length, 1)
  for (const wrong of [
    {},
    { rules: [] },
    { rules: 'x' },
    { rules, schema_version: '7' },
    { rules: [{ local: [{ user: { name: '{1}' } }], remote: [{ type: 'sub' }] }] },
  ]) {
    const answer = await admin.put(`${base}/mappings/n`, { mapping: wrong })
    assert.equal(answer.status, 400, JSON.stringify(wrong))
    assert.match(answer.json.error.message, /\.$/)
    assert.equal((await admin.patch(path, { mapping: wrong })).status, 400, JSON.stringify(wrong))
  }
  assert.equal((await admin.delete(path)).status, 204)
  assert.equal((await admin.delete(path)).status, 404)
})

test('a protocol binds a provider to a mapping', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  await made(admin.put(`${providers}/acme`, { identity_provider: {} }))
  await made(admin.put(`${base}/mappings/m`, { mapping: { rules } }))
  await made(admin.put(`${base}/mappings/n`, { mapping: { rules } }))
  const path = `${providers}/acme/protocols/openid`
  assert.equal((await admin.put(path, { protocol: { mapping_id: 'nothing' } })).status, 400)
  assert.equal((await admin.put(path, { protocol: {} })).status, 400)
  assert.equal((await admin.put(`${providers}/nobody/protocols/openid`, { protocol: { mapping_id: 'm' } })).status, 404)
  const protocol = await made(admin.put(path, { protocol: { mapping_id: 'm', remote_id_attribute: 'HTTP_OIDC_ISS' } }))
  const provider = `http://cloud.test/identity/v3${providers}/acme`
  assert.deepEqual(protocol, {
    id: 'openid',
    mapping_id: 'm',
    remote_id_attribute: 'HTTP_OIDC_ISS',
    links: { self: `${provider}/protocols/openid`, identity_provider: provider },
  })
  assert.equal((await admin.put(path, { protocol: { mapping_id: 'm' } })).status, 409)
  assert.equal((await admin.patch(path, { protocol: { mapping_id: 'n' } })).json.protocol.mapping_id, 'n')
  assert.equal((await admin.patch(path, { protocol: { mapping_id: 'nothing' } })).status, 400)
  assert.equal((await admin.get(`${providers}/acme/protocols`)).json.protocols.length, 1)
  assert.equal((await admin.get(`${providers}/nobody/protocols`)).status, 404)
  assert.equal((await admin.delete(path)).status, 204)
  assert.equal((await admin.get(path)).status, 404)
  // a provider takes its protocols along
  await made(admin.put(path, { protocol: { mapping_id: 'm' } }))
  await admin.delete(`${providers}/acme`)
  await made(admin.put(`${providers}/acme`, { identity_provider: {} }))
  assert.equal((await admin.get(path)).status, 404)
})

test('a service provider', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const path = `${base}/service_providers/beta`
  const urls = { auth_url: 'https://beta.example/v3/auth', sp_url: 'https://beta.example/Shibboleth.sso/SAML2/ECP' }
  const provider = await made(admin.put(path, { service_provider: urls }))
  assert.deepEqual(provider, {
    id: 'beta',
    ...urls,
    enabled: false,
    description: null,
    relay_state_prefix: 'ss:mem:',
    links: { self: `http://cloud.test/identity/v3${path}` },
  })
  assert.equal((await admin.put(path, { service_provider: urls })).status, 409)
  const change = { enabled: true, description: 'there', relay_state_prefix: 'x' }
  const changed = (await admin.patch(path, { service_provider: change })).json.service_provider
  assert.deepEqual({ ...provider, ...change }, changed)
  assert.equal((await admin.get(`${base}/service_providers?enabled=false`)).json.service_providers.length, 0)
  for (const wrong of [{ auth_url: urls.auth_url }, { ...urls, sp_url: 'nowhere' }, { ...urls, more: 1 }])
    assert.equal((await admin.put(`${base}/service_providers/c`, { service_provider: wrong })).status, 400)
  assert.equal((await admin.delete(path)).status, 204)
  assert.equal((await admin.get(path)).status, 404)
})

test('federation is for admins: others are told nothing, whether it is there or not', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  await made(admin.put(`${providers}/acme`, { identity_provider: {} }))
  const member = withToken(cloud, cloud.as('member').token)
  for (const path of [providers, `${providers}/acme`, `${providers}/nobody`, `${providers}/acme/protocols`])
    assert.equal((await member.get(path)).status, 403, path)
  assert.equal((await member.put(`${providers}/b`, { identity_provider: {} })).status, 403)
  for (const noun of ['mappings', 'service_providers'])
    assert.equal((await member.get(`${base}/${noun}`)).status, 403, noun)
})
