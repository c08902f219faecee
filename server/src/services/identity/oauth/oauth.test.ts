import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, roleId, teamProject, tokenAuth, tokenFor, v3, withToken } from '../testing.ts'
import { encode, oauthSignature } from './signature.ts'

interface Pair {
  key: string
  secret: string
}
let nonces = 0
function authorization(
  path: string,
  consumer: Pair,
  token: Pair | undefined,
  more: Record<string, string> = {},
): string {
  const parameters: Record<string, string> = {
    oauth_consumer_key: consumer.key,
    oauth_nonce: `n${nonces++}`,
    oauth_signature_method: 'HMAC-SHA1',
    oauth_timestamp: String(Math.floor(Date.now() / 1000)),
    oauth_version: '1.0',
    ...(token && { oauth_token: token.key }),
    ...more,
  }
  const url = `http://cloud.test${v3}${path}`
  const signature = oauthSignature({ method: 'POST', url, query: {}, parameters }, consumer.secret, token?.secret ?? '')
  const all = Object.entries({ ...parameters, oauth_signature: signature! })
  return `OAuth ${all.map(([name, value]) => `${name}="${encode(value)}"`).join(', ')}`
}
const post = (cloud: TestCloud, path: string, header: string, body?: unknown, project = teamProject) =>
  cloud.as('stranger').post(v3 + path, body, { headers: { authorization: header, 'requested-project-id': project } })
function pairIn(text: string): Pair {
  const form = new URLSearchParams(text)
  return { key: form.get('oauth_token')!, secret: form.get('oauth_token_secret')! }
}

// The example of RFC 5849, section 3.4.1.1, and its key (the signature follows from them).
test('signatures are those of the standard', () => {
  const parameters = {
    oauth_consumer_key: 'dpf43f3p2l4k3l03',
    oauth_token: 'nnch734d00sl2jdk',
    oauth_signature_method: 'HMAC-SHA1',
    oauth_timestamp: '1191242096',
    oauth_nonce: 'kllo9940pd9333jh',
    oauth_version: '1.0',
  }
  const query = { file: 'vacation.jpg', size: 'original' }
  const request = { method: 'GET', url: 'http://photos.example.net/photos', query, parameters }
  assert.equal(oauthSignature(request, 'kd94hf93k423kf44', 'pfkkdhi9sl3r4s00'), 'tR3+Ty81lMeYAr/Fid0kMTYa/WM=')
})

test('a consumer acts for a user with the roles that the user gave it, until they take them back', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const { id, secret } = await made(admin.post('/OS-OAUTH1/consumers', { consumer: { description: 'robot' } }))
  assert.equal((await admin.get(`/OS-OAUTH1/consumers/${id}`)).json.consumer.secret, undefined)
  const consumer = { key: id, secret: String(secret) }

  const ask = '/OS-OAUTH1/request_token'
  const wrong = { ...consumer, secret: 'wrong' }
  const unknown = await post(cloud, ask, authorization(ask, { key: 'nobody', secret: '' }, undefined))
  const forged = await post(cloud, ask, authorization(ask, wrong, undefined))
  assert.equal(forged.status, 401)
  assert.deepEqual(unknown.json, forged.json)
  const header = authorization(ask, consumer, undefined)
  const asked = await post(cloud, ask, header)
  assert.equal(asked.status, 201, asked.text)
  assert.equal((await post(cloud, ask, header)).status, 401, 'once only')
  const request = pairIn(asked.text)

  const exchange = '/OS-OAUTH1/access_token'
  const early = authorization(exchange, consumer, request, { oauth_verifier: 'guess' })
  assert.equal((await post(cloud, exchange, early)).status, 401, 'nobody has authorized it')
  const reader = await roleId(cloud, 'reader')
  const owner = withToken(cloud, cloud.as('admin').token)
  await admin.put(`/projects/${teamProject}/users/${cloud.as('admin').userId}/roles/${await roleId(cloud, 'member')}`)
  const authorized = await owner.put(`/OS-OAUTH1/authorize/${request.key}`, { roles: [{ id: reader }] })
  assert.equal(authorized.status, 200, authorized.text)
  const more = { oauth_verifier: String(authorized.json.token.oauth_verifier) }
  const exchanged = await post(cloud, exchange, authorization(exchange, consumer, request, more))
  assert.equal(exchanged.status, 201, exchanged.text)
  assert.equal((await post(cloud, exchange, authorization(exchange, consumer, request, more))).status, 401)
  const access = pairIn(exchanged.text)

  const body = { auth: { identity: { methods: ['oauth1'], oauth1: {} } } }
  const signedIn = await post(cloud, '/auth/tokens', authorization('/auth/tokens', consumer, access), body)
  assert.equal(signedIn.status, 201, signedIn.text)
  const { token } = signedIn.json
  assert.deepEqual(
    token.roles.map((role: { name: string }) => role.name),
    ['reader'],
  )
  assert.equal(token.project.id, teamProject)
  assert.deepEqual(token['OS-OAUTH1'], { access_token_id: access.key, consumer_id: id })
  const robot = withToken(cloud, signedIn.headers['x-subject-token']!)
  assert.equal((await robot.get('/auth/projects')).status, 200)
  const userId = cloud.as('admin').userId
  const grab = { application_credential: { name: 'x', roles: [{ id: reader }] } }
  assert.equal((await robot.post(`/users/${userId}/application_credentials`, grab)).status, 403)
  const again = { auth: { identity: { methods: ['token'], token: { id: signedIn.headers['x-subject-token'] } } } }
  assert.equal((await cloud.as('stranger').post(`${v3}/auth/tokens`, again)).status, 403)

  await admin.put(`/system/users/${userId}/roles/${await roleId(cloud, 'admin')}`)
  const system = withToken(cloud, await tokenFor(cloud, tokenAuth(cloud.as('admin').token, { system: { all: true } })))
  assert.equal((await system.post('/keys/rotate')).json.keys.resealed, 2)
  const rotated = await post(cloud, '/auth/tokens', authorization('/auth/tokens', consumer, access), body)
  assert.equal(rotated.status, 201, 'new keys change nothing')
  assert.equal((await owner.delete(`/users/${userId}/OS-OAUTH1/access_tokens/${access.key}`)).status, 204)
  assert.equal((await robot.get('/auth/projects')).status, 401)
})
