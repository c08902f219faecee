import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { testCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, signIn, teammate, teamProject, v3, withToken } from '../testing.ts'
import { signRequest, signText } from './signature.ts'
import { totpCode } from './totp.ts'

test('a service learns who signed a request, and nothing when the signature is wrong or old', async (t) => {
  const cloud = await testCloud(t)
  const { userId, token } = cloud.as('member')
  const key = await made(
    withToken(cloud, token).post(`/users/${userId}/credentials/OS-EC2`, { tenant_id: teamProject }),
  )
  const access = String(key['access'])
  const secret = String(key['secret'])
  const signed = (at: Date, by = secret) => {
    const date = at.toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const scope = `${access}/${date.slice(0, 8)}/local/ec2/aws4_request`
    const request = {
      verb: 'GET',
      host: 'cloud.test',
      path: '/',
      params: { Action: 'DescribeInstances' },
      headers: {
        host: 'cloud.test',
        'X-Amz-Date': date,
        Authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-date, Signature=x`,
      },
      bodyHash: createHash('sha256').update('').digest('hex'),
    }
    const { bodyHash, ...rest } = request
    return { ec2Credentials: { ...rest, body_hash: bodyHash, access, signature: signRequest(request, by) } }
  }
  const ask = (body: object) => cloud.as('admin').post(`${v3}/ec2tokens`, body)
  const now = new Date()
  const good = await ask(signed(now))
  assert.equal(good.status, 200)
  assert.deepEqual([good.json.token.user.id, good.json.token.methods], [userId, ['ec2credential']])
  assert.equal((await withToken(cloud, good.headers['x-subject-token']!).get('/auth/catalog')).status, 200)
  assert.equal((await ask(signed(now, 'wrong'))).status, 401)
  assert.equal((await ask(signed(new Date(now.getTime() - 3_600_000)))).status, 401)
  assert.equal((await ask({ credentials: { access: 'unknown', signature: 'x' } })).status, 401)
  // only services may ask
  assert.equal((await cloud.as('member').post(`${v3}/ec2tokens`, signed(now))).status, 403)

  const text = `AWS4-HMAC-SHA256\n20300101T000000Z\n20300101/local/s3/aws4_request\n${'0'.repeat(64)}`
  const s3 = (signature: string | undefined) =>
    cloud.as('admin').post(`${v3}/s3tokens`, {
      credentials: { access, token: Buffer.from(text).toString('base64url'), signature },
    })
  const known = await s3(signText(text, secret))
  assert.equal(known.json.token.project.id, teamProject)
  assert.equal(known.headers['x-subject-token'], undefined)
  assert.equal((await s3(signText(text, 'wrong'))).status, 401)
})

test('a one-time code is a second factor, and never the only one', async (t) => {
  const cloud = await testCloud(t)
  const id = await teammate(cloud, 'ada')
  const seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  const admin = asAdmin(cloud)
  await made(admin.post('/credentials', { credential: { type: 'totp', blob: seed, user_id: id } }))
  const options = { multi_factor_auth_enabled: true, multi_factor_auth_rules: [['password', 'totp']] }
  await admin.patch(`/users/${id}`, { user: { options } })
  const both = (passcode: string, methods = ['totp', 'password']) =>
    signIn(cloud, {
      auth: {
        identity: {
          methods,
          password: { user: { id, password: "ada's" } },
          totp: { user: { id, passcode } },
        },
      },
    })
  const code = totpCode(seed, Date.now())!
  assert.deepEqual((await both(code)).json.token.methods, ['password', 'totp'])
  assert.equal((await both('000000' === code ? '000001' : '000000')).status, 401)
  assert.equal((await both(code, ['totp'])).status, 401)
  assert.equal((await signIn(cloud, passwordAuth({ id }, "ada's"))).status, 401)
})
