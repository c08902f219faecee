import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { asAdmin, made, passwordAuth, signIn, teammate, tokenFor, withToken } from '../testing.ts'

const status = async (cloud: TestCloud, id: string, password: string) =>
  (await signIn(cloud, passwordAuth({ id }, password))).status
async function failTimes(cloud: TestCloud, id: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) assert.equal(await status(cloud, id, 'wrong'), 401)
}
/** As if the failures, and what else happened, had been that much earlier. */
async function later(cloud: TestCloud, seconds: number): Promise<void> {
  await cloud.db.transaction(async (tx) => {
    await tx.rows(sql`update identity_user set failed_auth_at = failed_auth_at - ${seconds} * interval '1 second',
      last_active_at = last_active_at - ${Math.floor(seconds / 86_400)}::int,
      created_at = created_at - ${seconds} * interval '1 second'`)
    await tx.rows(sql`update sign_in_failure set failed_at = failed_at - ${seconds} * interval '1 second'`)
    await tx.rows(sql`update password set created_at = created_at - ${seconds} * interval '1 second',
      expires_at = expires_at - ${seconds} * interval '1 second'`)
  })
}

test('too many wrong passwords lock a user out for a time, and the right one does not tell', async (t) => {
  const cloud = await testCloud(t, { lockoutAttempts: 3, lockoutSeconds: 600 })
  const ada = await teammate(cloud, 'ada')
  const bob = await teammate(cloud, 'bob')
  await failTimes(cloud, ada, 2)
  assert.equal(await status(cloud, ada, "ada's"), 201, 'two failures are forgotten')
  await failTimes(cloud, ada, 3)
  const locked = await signIn(cloud, passwordAuth({ id: ada }, "ada's"))
  const unknown = await signIn(cloud, passwordAuth({ id: 'nobody' }, "ada's"))
  assert.equal(locked.status, 401)
  assert.deepEqual(locked.json, unknown.json)
  assert.equal(await status(cloud, bob, "bob's"), 201)
  await later(cloud, 601)
  await failTimes(cloud, ada, 1)
  assert.equal(await status(cloud, ada, "ada's"), 201, 'after the time it is counted anew')

  await failTimes(cloud, ada, 3)
  await asAdmin(cloud).patch(`/users/${ada}`, { user: { options: { ignore_lockout_failure_attempts: true } } })
  assert.equal(await status(cloud, ada, "ada's"), 201)
})

test('guesses that come all at once are no way round', async (t) => {
  const cloud = await testCloud(t, { lockoutAttempts: 3 })
  const ada = await teammate(cloud, 'ada')
  const guesses = [...Array.from({ length: 12 }, (_, i) => `guess ${i}`), "ada's"]
  const answers = await Promise.all(guesses.map((guess) => status(cloud, ada, guess)))
  assert.deepEqual(new Set(answers), new Set([401]))
})

test('without such a rule each further guess waits longer, also through the change of password', async (t) => {
  const cloud = await testCloud(t)
  const ada = await teammate(cloud, 'ada')
  await failTimes(cloud, ada, 8)
  assert.equal(await status(cloud, ada, "ada's"), 401)
  const change = { user: { original_password: "ada's", password: 'next' } }
  assert.equal((await withToken(cloud, '').post(`/users/${ada}/password`, change)).status, 401)
  await later(cloud, 31)
  assert.equal(await status(cloud, ada, "ada's"), 201)
})

test('an address that fails too often has to wait, whoever it asks for', async (t) => {
  const cloud = await testCloud(t, { addressAttempts: 3 })
  const ada = await teammate(cloud, 'ada')
  for (const name of ['a', 'b', 'c', 'd']) assert.equal(await status(cloud, name, 'wrong'), 401)
  assert.equal(await status(cloud, 'e', 'wrong'), 429)
  const refused = await signIn(cloud, passwordAuth({ id: ada }, "ada's"))
  assert.equal(refused.status, 429)
  assert.match(refused.text, /try again in \d+ s/)
  await later(cloud, 30)
  assert.equal(await status(cloud, ada, "ada's"), 201)
})

test('a sign-in that succeeds writes nothing', async (t) => {
  const cloud = await testCloud(t)
  const ada = await teammate(cloud, 'ada')
  const version = async () =>
    (await cloud.db.rows<{ xmin: string }>(sql`select xmin::text as xmin from identity_user where id = ${ada}`))[0]!
      .xmin
  const before = await version()
  await tokenFor(cloud, passwordAuth({ id: ada }, "ada's"))
  assert.equal(await version(), before)
  await failTimes(cloud, ada, 1)
  assert.notEqual(await version(), before)
})

test('who does not sign in for long is disabled, unless exempt, until an admin enables them', async (t) => {
  const cloud = await testCloud(t, { inactiveDays: 30 })
  const ada = await teammate(cloud, 'ada')
  const bob = await teammate(cloud, 'bob')
  const admin = asAdmin(cloud)
  await admin.patch(`/users/${bob}`, { user: { options: { ignore_user_inactivity: true } } })
  assert.equal(await status(cloud, ada, "ada's"), 201)
  await later(cloud, 29 * 86_400)
  assert.equal(await status(cloud, ada, "ada's"), 201, 'which notes the day')
  await later(cloud, 29 * 86_400)
  assert.equal(await status(cloud, ada, "ada's"), 201)
  await later(cloud, 31 * 86_400)
  assert.equal(await status(cloud, ada, "ada's"), 401)
  assert.equal(await status(cloud, bob, "bob's"), 201)
  await admin.patch(`/users/${ada}`, { user: { enabled: true } })
  assert.equal(await status(cloud, ada, "ada's"), 201)
})

test('passwords follow the rules of the cloud', async (t) => {
  const rules = { passwordRegex: '^.{4,}$', passwordRegexHint: 'at least 4 characters', passwordHistory: 2 }
  const cloud = await testCloud(t, { ...rules, passwordDays: 10, passwordMinDays: 1 })
  const admin = asAdmin(cloud)
  const refused = await admin.post('/users', { user: { name: 'eve', password: 'abc' } })
  assert.equal(refused.status, 400)
  assert.match(refused.text, /at least 4 characters/)
  assert.match((await admin.get('/domains/default/config/security_compliance')).text, /at least 4 characters/)
  const { id, password_expires_at: ends } = await made(
    admin.post('/users', { user: { name: 'eve', password: 'first' } }),
  )
  assert.ok(Date.parse(String(ends)) > Date.now() + 9 * 86_400_000)
  const change = async (from: string, to: string) => {
    const body = { user: { original_password: from, password: to } }
    return (await withToken(cloud, '').post(`/users/${id}/password`, body)).status
  }
  assert.equal(await change('first', 'second'), 400, 'too early')
  await later(cloud, 86_401)
  assert.equal(await change('first', 'abc'), 400)
  assert.equal(await change('first', 'second'), 204)
  await later(cloud, 86_401)
  assert.equal(await change('second', 'first'), 400, 'used before')
  assert.equal(await change('second', 'third'), 204)
  await later(cloud, 86_401)
  assert.equal(await change('third', 'first'), 204, 'long forgotten')
  await later(cloud, 11 * 86_400)
  const expired = await signIn(cloud, passwordAuth({ id }, 'first'))
  assert.equal(expired.status, 401)
  assert.match(expired.text, /expired/)
  assert.doesNotMatch((await signIn(cloud, passwordAuth({ id }, 'wrong'))).text, /expired/)
  assert.equal(await change('first', 'fourth'), 204)
  assert.equal(await status(cloud, id, 'fourth'), 201)
})

test('a password that an admin set is good for one change, unless the user is exempt', async (t) => {
  const cloud = await testCloud(t, { passwordFirstUse: true })
  const admin = asAdmin(cloud)
  const { id } = await made(admin.post('/users', { user: { name: 'eve', password: 'first' } }))
  assert.equal(await status(cloud, id, 'first'), 401)
  const change = { user: { original_password: 'first', password: 'second' } }
  assert.equal((await withToken(cloud, '').post(`/users/${id}/password`, change)).status, 204)
  assert.equal(await status(cloud, id, 'second'), 201)
  const options = { ignore_change_password_upon_first_use: true }
  await admin.patch(`/users/${id}`, { user: { password: 'third', options } })
  assert.equal(await status(cloud, id, 'third'), 201)
})
