import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, signIn, teammate, tokenFor, v3, withToken } from '../testing.ts'
import { totpCode } from './totp.ts'

const seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const totpAuth = (id: string, passcode: string) => ({
  auth: { identity: { methods: ['totp'], totp: { user: { id, passcode } } } },
})

test('who has to give two proofs gets a receipt for the first, and a token for both', async (t) => {
  const cloud = await testCloud(t)
  const admin = asAdmin(cloud)
  const id = await teammate(cloud, 'ada')
  await made(admin.post('/credentials', { credential: { user_id: id, type: 'totp', blob: seed } }))
  const rules = [['password', 'totp']]
  await admin.patch(`/users/${id}`, {
    user: { options: { multi_factor_auth_enabled: true, multi_factor_auth_rules: rules } },
  })
  const first = await signIn(cloud, passwordAuth({ id }, "ada's"))
  assert.equal(first.status, 401)
  assert.deepEqual(first.json.required_auth_methods, rules)
  assert.deepEqual(first.json.receipt.methods, ['password'])
  assert.equal(first.json.receipt.user.id, id)
  const receipt = first.headers['openstack-auth-receipt']!
  assert.equal((await withToken(cloud, receipt).get('/auth/projects')).status, 401, 'a receipt is no token')

  const goOn = (auth: object, given = receipt) =>
    cloud.as('stranger').post(`${v3}/auth/tokens`, auth, { headers: { 'openstack-auth-receipt': given } })
  const code = totpCode(seed, Date.now())!
  assert.equal((await signIn(cloud, totpAuth(id, code))).status, 401, 'a code alone is no proof')
  assert.equal((await goOn(totpAuth(id, '000000' === code ? '000001' : '000000'))).status, 401)
  const other = await teammate(cloud, 'bob')
  assert.equal((await goOn(passwordAuth({ id: other }, "bob's"))).status, 401, "another user's receipt")
  const both = await goOn(totpAuth(id, code))
  assert.equal(both.status, 201, both.text)
  assert.deepEqual(both.json.token.methods, ['password', 'totp'])
  assert.equal((await goOn(totpAuth(id, code), both.headers['x-subject-token'])).status, 401, 'a token is no receipt')

  await admin.patch(`/users/${id}`, { user: { password: 'next' } })
  assert.equal((await goOn(totpAuth(id, code))).status, 401, 'a new password voids receipts')
  assert.equal((await signIn(cloud, passwordAuth({ id }, 'wrong'))).headers['openstack-auth-receipt'], undefined)
  await tokenFor(cloud, passwordAuth({ id: other }, "bob's"))
})
