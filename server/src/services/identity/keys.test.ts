import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { makeApp } from '#app'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { addKey, dropOldKeys, readKeys } from '#lib/key-ring.ts'
import { readDirectoryConfigs } from './domain-config/model.ts'
import { asAdmin, made, passwordAuth, roleId, teammate, teamProject, tokenFor, v3, withToken } from './testing.ts'
import { signText } from './tokens/signature.ts'
import { totpCode } from './tokens/totp.ts'

test('new keys log nobody out, in no process, and credentials stay readable', async (t) => {
  const cloud = await testCloud(t)
  const log = makeLog('test', 'error')
  const second = makeApp(openDatabase(cloud.url, log, { connections: 2 }), cloud.app.world.config, log)
  await second.server.ready()
  t.after(() => second.close())
  const id = await teammate(cloud, 'ada')
  const admin = asAdmin(cloud)
  await admin.put(`/system/users/${id}/roles/${await roleId(cloud, 'admin')}`)
  const before = await tokenFor(cloud, passwordAuth({ id }, "ada's", { system: { all: true } }))
  const credential = await made(admin.post('/credentials', { credential: { type: 'cert', blob: 'kept', user_id: id } }))
  const domain = await made(admin.post('/domains', { domain: { name: 'd' } }))
  await admin.put(`/domains/${domain.id}/config`, { config: { ldap: { password: 'kept' } } })
  assert.equal((await admin.post('/keys/rotate')).status, 403) // an admin of a project only

  const person = withToken(cloud, before)
  const first = await person.post('/keys/rotate')
  assert.deepEqual(first.json.keys, { token: 2, credential: 2, resealed: 2 })
  assert.equal((await person.post('/keys/rotate')).json.keys.token, 3)
  assert.equal((await person.get('/auth/catalog')).status, 200)
  assert.equal((await person.get(`/credentials/${credential.id}`)).json.credential.blob, 'kept')
  const after = await tokenFor(cloud, passwordAuth({ id }, "ada's", { system: { all: true } }))
  const there = await second.server.inject({ url: `${v3}/auth/catalog`, headers: { 'x-auth-token': after } })
  assert.equal(there.statusCode, 200)
  assert.equal((await readKeys(cloud.db, 'token')).length, 3)
})

test('old keys go, the one in use never does, and serials come round', async (t) => {
  const cloud = await testCloud(t)
  await cloud.db.transaction(async (tx) => {
    for (let i = 0; i < 4; i++) await addKey(tx, 'token')
    await dropOldKeys(tx, 'token', 60_000)
    assert.equal((await readKeys(tx, 'token')).length, 5)
    await dropOldKeys(tx, 'token', -60_000)
    assert.equal((await readKeys(tx, 'token')).length, 1)
  })
})

test('keys are changed in two processes while people work in both: nobody is logged out, nothing is lost', async () => {
  await using ends = new AsyncDisposableStack()
  const cloud = await testCloud({ after: (end) => ends.defer(end as () => Promise<void>) })
  const log = makeLog('test', 'error')
  const second = makeApp(openDatabase(cloud.url, log, { connections: 4 }), cloud.app.world.config, log)
  await second.server.ready()
  ends.defer(() => second.close())
  const doors = [cloud.app, second]
  const admin = asAdmin(cloud)
  const id = await teammate(cloud, 'ada')
  await admin.put(`/system/users/${id}/roles/${await roleId(cloud, 'admin')}`)
  const system = passwordAuth({ id }, "ada's", { system: { all: true } })
  const member = passwordAuth({ id }, "ada's", { project: { id: teamProject } })
  const oldest = await tokenFor(cloud, system)

  // what is kept sealed: two factors, a key for S3, a secret of a domain that is written all the while
  const seed = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  const eve = await teammate(cloud, 'eve')
  await made(admin.post('/credentials', { credential: { type: 'totp', blob: seed, user_id: eve } }))
  const key = await made(
    withToken(cloud, cloud.as('member').token).post(`/users/${cloud.as('member').userId}/credentials/OS-EC2`, {
      tenant_id: teamProject,
    }),
  )
  const domain = await made(admin.post('/domains', { domain: { name: 'd' } }))
  await admin.put(`/domains/${domain.id}/config`, { config: { ldap: { url: 'ldap://localhost', password: 'p0' } } })
  await admin.put(`/domains/${domain.id}/config`, { config: { identity: { driver: 'ldap' } } })

  let working = true
  const counts: Record<string, number> = {}
  const send = async (door: number, method: 'GET' | 'POST' | 'PATCH', url: string, token?: string, payload?: object) =>
    doors[door % 2]!.server.inject({
      method,
      url: v3 + url,
      headers: token ? { 'x-auth-token': token } : {},
      ...(payload && { payload }),
    })
  const loop = async (what: string, work: (n: number) => Promise<void>) => {
    try {
      for (let n = 0; working; n++) {
        await work(n)
        await setImmediate() // what costs no query would leave the others no turn
        counts[what] = n + 1
      }
    } finally {
      working = false
    }
  }
  const twoFactors = () => {
    const user = { id: eve }
    const password = { user: { ...user, password: "eve's" } }
    const totp = { user: { ...user, passcode: totpCode(seed, Date.now()) } }
    return { auth: { identity: { methods: ['password', 'totp'], password, totp } } }
  }
  const text = `AWS4-HMAC-SHA256\n20300101T000000Z\n20300101/local/s3/aws4_request\n${'0'.repeat(64)}`
  const signed = {
    access: key['access'],
    token: Buffer.from(text).toString('base64url'),
    signature: signText(text, String(key['secret'])),
  }
  let password = 'p0'
  const work = [
    loop('old token', async (n) => assert.equal((await send(n, 'GET', '/auth/catalog', oldest)).statusCode, 200)),
    loop('token of the other process', async (n) => {
      const { statusCode, headers } = await send(n, 'POST', '/auth/tokens', undefined, member)
      assert.equal(statusCode, 201)
      const token = String(headers['x-subject-token'])
      assert.equal((await send(n + 1, 'GET', '/auth/catalog', token)).statusCode, 200)
    }),
    loop('two factors', async (n) =>
      assert.equal((await send(n, 'POST', '/auth/tokens', undefined, twoFactors())).statusCode, 201),
    ),
    loop('signature', async (n) =>
      assert.equal(
        (await send(n, 'POST', '/s3tokens', cloud.as('admin').token, { credentials: signed })).statusCode,
        200,
      ),
    ),
    loop('secret of a domain', async (n) => {
      const next = `p${n}`
      const config = { config: { ldap: { password: next } } }
      assert.equal(
        (await send(n, 'PATCH', `/domains/${domain.id}/config`, cloud.as('admin').token, config)).statusCode,
        200,
      )
      password = next
      const configs = await readDirectoryConfigs(cloud.db)
      assert.equal(configs.get(domain.id)?.['ldap']?.['password'], password)
    }),
    loop('credential', async (n) => {
      const credential = { type: 'cert', blob: `blob ${n}`, user_id: id }
      const put = await send(n, 'POST', '/credentials', cloud.as('admin').token, { credential })
      assert.equal(put.statusCode, 201)
      const got = await send(n + 1, 'GET', `/credentials/${put.json().credential.id}`, cloud.as('admin').token)
      assert.equal(got.json().credential.blob, `blob ${n}`)
    }),
  ]
  const settled = Promise.all(work)
  const rotations = (async () => {
    for (let n = 0; n < 10 && working; n++) {
      const both = await Promise.all(doors.map((_, door) => send(door, 'POST', '/keys/rotate', oldest)))
      assert.deepEqual(
        both.map(({ statusCode }) => statusCode),
        [200, 200],
      )
    }
  })().finally(() => (working = false))
  await Promise.all([rotations, settled])
  assert.equal((await readKeys(cloud.db, 'token')).length, 21)
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 1, `${what}: ${count}`)
})
