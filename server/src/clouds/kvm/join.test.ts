import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from '#lib/db.ts'
import { agentKey, join, joinRequest, scriptedAgent } from './agent.testing.ts'
import { publicKeyOf } from './keys.ts'
import { kvmWorld } from './rig.testing.ts'

const joinPath = '/agent/v1/join'

test('only an administrator makes join tokens', async (t) => {
  const { process } = await kvmWorld(t)
  const as = (token: string) => process.request('POST', '/agent/v1/join-tokens', {}, { 'x-auth-token': token })
  assert.deepEqual([(await as('member')).status, (await as('forged')).status], [403, 401])
  const { status, json } = await as('admin')
  assert.deepEqual([status, json.uses, typeof json.token], [201, 1, 'string'])
  assert.ok(Date.parse(json.expires_at) > Date.now())
  for (const wrong of [{ uses: 0 }, { expires_in: -1 }, { forever: true }])
    assert.equal((await process.request('POST', '/agent/v1/join-tokens', wrong)).status, 400)
})

test('a token takes in one host, and the secret is nowhere in the database', async (t) => {
  const made = await kvmWorld(t)
  const token = await made.token()
  const secret = token.split('.')[1] ?? ''
  const rows = await made.world.db.rows(sql`select * from kvm_join_token`)
  assert.ok(!JSON.stringify(rows).includes(secret))
  await join(made.process.url, token, 'h1', agentKey())
  await assert.rejects(join(made.process.url, token, 'h2', agentKey()), /401.*used up/)
})

test('no token looks like a flag of a command', async (t) => {
  const made = await kvmWorld(t)
  const tokens = await Promise.all(Array.from({ length: 256 }, () => made.token()))
  assert.deepEqual(
    tokens.filter((token) => !/^[0-9a-f]{18}\.[\w-]+$/.test(token)),
    [],
  )
})

test('a token for several hosts takes in so many', async (t) => {
  const made = await kvmWorld(t)
  const token = await made.token({ uses: 2 })
  await join(made.process.url, token, 'h1', agentKey())
  await join(made.process.url, token, 'h2', agentKey())
  await assert.rejects(join(made.process.url, token, 'h3', agentKey()), /401/)
})

test('of many hosts that use one token at once, one comes in', async (t) => {
  const made = await kvmWorld(t)
  const token = await made.token()
  const names = ['a', 'b', 'c', 'd', 'e']
  const results = await Promise.allSettled(names.map((name) => join(made.process.url, token, name, agentKey())))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  const [row] = await made.world.db.rows<{ n: number }>(sql`select count(*)::int as n from kvm_host`)
  assert.equal(row?.n, 1)
})

test('a wrong proof, a changed name, an unknown or an expired token are refused alike', async (t) => {
  const made = await kvmWorld(t)
  const { process, world } = made
  const token = await made.token()
  const good = joinRequest(token, 'h1', agentKey())
  const expired = await made.token()
  await world.db.transaction((tx) =>
    tx.rows(
      sql`update kvm_join_token set expires_at = now() - interval '1 second' where id = ${expired.split('.')[0]}`,
    ),
  )
  const [tokenId = ''] = token.split('.')
  const wrong = [
    { ...good, name: 'h2' },
    { ...good, publicKey: publicKeyOf(agentKey()) },
    { ...good, proof: 'x' },
    joinRequest(`${tokenId}.guess`, 'h1', agentKey()),
    joinRequest('unknown.guess', 'h1', agentKey()),
    joinRequest(expired, 'h1', agentKey()),
  ]
  const answers = await Promise.all(wrong.map((request) => process.request('POST', joinPath, request)))
  assert.equal(new Set(answers.map(({ status, json }) => `${status} ${json.error.message}`)).size, 1)
  assert.equal(answers[0]?.status, 401)
  assert.equal((await process.request('POST', joinPath, good)).status, 200) // and no use of the token was lost
})

test('bad names, bad keys and bad bodies are refused in a sentence', async (t) => {
  const made = await kvmWorld(t)
  const token = await made.token()
  for (const name of ['a host', '../etc', '-h', ''])
    assert.equal((await made.process.request('POST', joinPath, joinRequest(token, name, agentKey()))).status, 400)
  assert.equal((await made.process.request('POST', joinPath, { tokenId: 1 })).status, 400)
  assert.equal((await made.process.request('POST', joinPath, {})).status, 400)
})

test('the same request again gets the same answer and makes no second host', async (t) => {
  const made = await kvmWorld(t)
  const request = joinRequest(await made.token(), 'h1', agentKey())
  const first = await made.process.request('POST', joinPath, request)
  const replayed = await made.process.request('POST', joinPath, request)
  assert.deepEqual([replayed.status, replayed.json], [200, first.json])
  const [row] = await made.world.db.rows<{ n: number }>(sql`select count(*)::int as n from kvm_host`)
  assert.equal(row?.n, 1)
  // what a listener could replay is of no use without the key
  const thief = scriptedAgent({
    url: made.process.url,
    name: 'h1',
    key: agentKey(),
    joined: replayed.json,
    script: made.script,
  })
  await assert.rejects(thief.connect(), /1008 unknown host, or not its signature/)
})

test('a name that is taken stays with the host that has it, until it is removed', async (t) => {
  const made = await kvmWorld(t)
  const { process } = made
  const host = await made.host('h1')
  await assert.rejects(made.host('h1'), /409.*there already/)
  // the same host again, after it has lost what it was told
  const again = await join(process.url, await made.token(), 'h1', host.key)
  assert.equal(again.hostId, host.hostId)
  assert.equal((await process.request('DELETE', '/agent/v1/hosts/h1')).status, 204)
  assert.notEqual((await made.host('h1')).hostId, host.hostId)
})
