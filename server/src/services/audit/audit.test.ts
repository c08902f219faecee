import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { makeApp } from '#app'
import { openDatabase, sql } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'
import { connect } from '#lib/connect.ts'
import { pruneAudit } from './index.ts'
import { makeRecorder } from './recorder.ts'

const networks = '/network/v2.0/networks'
const signIn = '/identity/v3/auth/tokens'

/** A cloud with a few writes in its trail. */
async function busyCloud(t: TestContext, writes = 5): Promise<TestCloud> {
  const cloud = await testCloud(t)
  for (let i = 0; i < writes; i++)
    assert.equal((await cloud.as('member').post(networks, { network: { name: `n${i}` } })).status, 201)
  await cloud.app.audit.flush()
  return cloud
}

/** What a burglar with the database's own powers does: past our triggers. */
async function tamper(cloud: TestCloud, ...statements: string[]): Promise<void> {
  const client = connect(cloud.url, { max: 1 })
  await client.begin(async (tx) => {
    await tx.unsafe(`set local session_replication_role = replica`)
    for (const statement of statements) await tx.unsafe(statement)
  })
  await client.end()
}

const verified = async (cloud: TestCloud, query = '') => (await cloud.as('admin').get(`/audit/verify${query}`)).json
const eventsOf = async (cloud: TestCloud, query = '') => {
  await cloud.app.audit.flush()
  return (await cloud.as('admin').get(`/audit/events${query}`)).json.events
}

test('a write is recorded in CADF form: who, what, on what, how it ended', async (t) => {
  const cloud = await testCloud(t)
  const made = await cloud.as('member').post(networks, { network: { name: 'secret-name' } })
  const id = made.json.network.id
  await cloud.as('reader').delete(`${networks}/${id}`)
  await cloud.as('member').get(networks)
  const [refused, created, ...rest] = await eventsOf(cloud)
  assert.deepEqual(rest, [])
  assert.equal(created.typeURI, 'http://schemas.dmtf.org/cloud/audit/1.0/event')
  assert.equal(created.eventType, 'activity')
  assert.equal(created.action, 'create')
  assert.equal(created.outcome, 'success')
  assert.deepEqual(created.reason, { reasonType: 'HTTP', reasonCode: '201' })
  assert.equal(created.initiator.id, cloud.as('member').userId)
  assert.equal(created.initiator.host.address, '127.0.0.1')
  assert.equal(created.initiator.request_id, made.headers['x-openstack-request-id'])
  assert.equal(created.target.typeURI, 'network/networks')
  assert.equal(created.target.id, id)
  assert.equal(created.target.project_id, cloud.as('member').projectId)
  assert.equal(created.observer.id, 'network')
  assert.ok(!JSON.stringify(created).includes('secret-name'))
  assert.equal(refused.action, 'delete')
  assert.equal(refused.outcome, 'failure')
  assert.equal(refused.reason.policyType, 'forbidden')
  assert.equal(refused.target.id, id)
})

test('signing in is recorded, failed or not, without any password; bad tokens of one address count together', async (t) => {
  const cloud = await testCloud(t)
  const admin = cloud.as('admin')
  const user = { name: 'ada', password: 'the-right-word', domain_id: 'default' }
  const { id } = (await admin.post('/identity/v3/users', { user })).json.user
  const auth = (who: object, password: string) => ({
    auth: { identity: { methods: ['password'], password: { user: { ...who, password } } } },
  })
  const stranger = cloud.as('stranger')
  const named = { name: 'ada', domain: { id: 'default' } }
  assert.equal((await stranger.post(signIn, auth(named, 'the-right-word'))).status, 201)
  assert.equal((await stranger.post(signIn, auth(named, 'a-wrong-word'))).status, 401)
  assert.equal((await stranger.post(signIn, auth({ ...named, name: 'typed-my-password' }, 'x'))).status, 401)
  for (let i = 0; i < 5; i++)
    assert.equal((await stranger.get(networks, { headers: { 'x-auth-token': 'forged-token' } })).status, 401)
  const events = await eventsOf(cloud, '?action=authenticate')
  assert.deepEqual(
    events.map((e: { outcome: string; initiator: { id: string } }) => [e.outcome, e.initiator.id]),
    [
      ['failure', 'unknown'],
      ['failure', 'unknown'],
      ['failure', id],
      ['success', id],
    ],
  )
  assert.equal(events[0].attachments.find((a: { name: string }) => a.name === 'attempts').content, 5)
  const all = JSON.stringify(await eventsOf(cloud))
  for (const secret of ['the-right-word', 'a-wrong-word', 'typed-my-password', 'forged-token'])
    assert.ok(!all.includes(secret), secret)
})

test('a body that looks like signing in puts no words into a record of something else', async (t) => {
  const cloud = await testCloud(t)
  const victim = cloud.as('admin').userId
  const body = { auth: { identity: { methods: [], password: { user: { id: victim } } } } }
  await cloud.as('member').post(networks, body)
  const [event] = await eventsOf(cloud)
  assert.equal(event.initiator.id, cloud.as('member').userId)
})

test('the trail that nobody touched holds', async (t) => {
  const cloud = await busyCloud(t)
  const verdict = await verified(cloud)
  assert.equal(verdict.ok, true)
  assert.equal(verdict.checked, 5)
  assert.equal(verdict.head.seq, 5)
  assert.equal((await cloud.as('member').get('/audit/verify')).status, 403)
})

for (const column of ['user_id', 'outcome', 'address', 'target_id', 'project_id', 'action', 'details', 'request_id'])
  test(`a record whose ${column} was changed is found`, async (t) => {
    const cloud = await busyCloud(t)
    await tamper(cloud, `update audit_record set ${column} = 'x' where seq = 3`)
    const verdict = await verified(cloud)
    assert.deepEqual([verdict.ok, verdict.broken.seq], [false, 3])
  })

test('a record with another time, or with a hash made to fit, is found', async (t) => {
  const cloud = await busyCloud(t)
  await tamper(cloud, `update audit_record set at = at - interval '1 millisecond' where seq = 2`)
  assert.equal((await verified(cloud)).broken.seq, 2)
})

test('removed records are found: one, the last ones, the first ones, all', async (t) => {
  for (const [where, seq] of [
    ['seq = 2', 2],
    ['seq > 3', 4],
    ['seq < 3', 1],
    ['true', 1],
  ] as const) {
    const cloud = await busyCloud(t)
    await tamper(cloud, `delete from audit_record where ${where}`)
    const verdict = await verified(cloud)
    assert.deepEqual([verdict.ok, verdict.broken?.seq], [false, seq], where)
  }
})

test('a beginning that is cut off with the base moved is no retention', async (t) => {
  const cloud = await busyCloud(t)
  await tamper(
    cloud,
    `update audit_head set base_seq = 2, base_hash = (select hash from audit_record where seq = 2)`,
    `delete from audit_record where seq <= 2`,
  )
  assert.match((await verified(cloud)).broken.why, /not by retention/)
})

test('an end that is cut off together with the head shows against a head that was noted', async (t) => {
  const cloud = await busyCloud(t)
  const { head } = await verified(cloud)
  const noted = `?head=${head.seq}:${head.hash}`
  assert.equal((await verified(cloud, noted)).ok, true)
  await tamper(
    cloud,
    `delete from audit_record where seq > 3`,
    `update audit_head set seq = 3, hash = (select hash from audit_record where seq = 3)`,
  )
  assert.equal((await verified(cloud)).ok, true) // the database alone cannot know
  assert.equal((await verified(cloud, noted)).broken.seq, 4)
  assert.equal((await cloud.as('admin').get('/audit/verify?head=nonsense')).status, 400)
})

test('inserted records are found: before the beginning, behind the head; and an end that is missing though anchored', async (t) => {
  const copy = (
    seq: number,
  ) => `insert into audit_record select (json_populate_record(r, json_build_object('seq', ${seq},
    'id', gen_random_uuid()))).* from audit_record r where seq = 2`
  const back = `update audit_head set seq = 3, hash = (select hash from audit_record where seq = 3)`
  for (const [statements, seq] of [
    [[copy(0)], 0],
    [[copy(-7)], -7],
    [[copy(6)], 6],
    [[`insert into audit_anchor select seq, hash from audit_head`, `delete from audit_record where seq > 3`, back], 4],
  ] as const) {
    const cloud = await busyCloud(t)
    await tamper(cloud, ...statements)
    const verdict = await verified(cloud)
    assert.deepEqual([verdict.ok, verdict.broken?.seq], [false, seq], statements[0])
  }
})

test('our own role cannot change or remove anything', async (t) => {
  const cloud = await busyCloud(t)
  for (const statement of [
    sql`update audit_record set outcome = 'success'`,
    sql`delete from audit_record`,
    sql`truncate audit_record`,
    sql`truncate audit_anchor`,
    sql`update audit_head set seq = seq - 1`,
    sql`update audit_head set base_seq = 3`,
    sql`delete from audit_head`,
  ])
    await assert.rejects(
      cloud.db.transaction((tx) => tx.rows(statement)),
      (error: Error) => /append-only|forward only/.test(String(error.cause)),
    )
  assert.equal((await verified(cloud)).ok, true)
})

test('retention takes the oldest away, says so in the chain, and the chain still holds', async (t) => {
  const cloud = await busyCloud(t)
  assert.equal(await pruneAudit(cloud.db, 30), 0)
  const later = new Date(Date.now() + 31 * 86_400_000)
  assert.equal(await pruneAudit(cloud.db, 0, later), 0)
  assert.equal(await pruneAudit(cloud.db, 30, later), 5)
  await cloud.as('member').post(networks, { network: {} })
  const verdict = await verified(cloud)
  assert.deepEqual([verdict.ok, verdict.first, verdict.head.seq], [true, 6, 7])
  const [, pruned] = await eventsOf(cloud)
  assert.equal(pruned.action, 'delete/retention')
})

test('two processes write one chain', async (t) => {
  const cloud = await testCloud(t)
  const log = makeLog('test', 'error')
  const second = makeApp(openDatabase(cloud.url, log, { connections: 2 }), cloud.app.world.config, log)
  await second.server.ready()
  t.after(() => second.close())
  const headers = { 'x-auth-token': cloud.as('member').token, 'content-type': 'application/json' }
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const payload = JSON.stringify({ network: { name: `n${i}` } })
      const { server, audit } = i % 2 ? second : cloud.app
      const answer = await server.inject({ method: 'POST', url: networks, headers, payload })
      assert.equal(answer.statusCode, 201)
      await audit.flush()
    }),
  )
  const verdict = await verified(cloud)
  assert.deepEqual([verdict.ok, verdict.checked], [true, 20])
})

test('filters, pages, and what a reader of a project sees', async (t) => {
  const cloud = await busyCloud(t)
  await cloud.as('other').post(networks, { network: {} })
  const own = await cloud.as('member').post(networks, { network: {} })
  await cloud.as('admin').delete(`${networks}/${own.json.network.id}`)
  assert.equal((await eventsOf(cloud)).length, 8)
  assert.equal((await eventsOf(cloud, `?initiator=${cloud.as('other').userId}`)).length, 1)
  assert.equal((await eventsOf(cloud, `?target=${own.json.network.id}`)).length, 2)
  assert.equal((await eventsOf(cloud, '?action=delete&outcome=success')).length, 1)
  assert.equal((await eventsOf(cloud, '?from=2999-01-01')).length, 0)
  assert.equal((await eventsOf(cloud, `?project_id=${cloud.as('other').projectId}`)).length, 1)
  for (const wrong of ['?from=yesterday', '?nonsense=1', '?marker=x', '?format=xml'])
    assert.equal((await cloud.as('admin').get(`/audit/events${wrong}`)).status, 400, wrong)

  const reader = cloud.as('reader')
  assert.equal((await reader.get('/audit/events')).json.events.length, 7)
  assert.equal((await reader.get(`/audit/events?project_id=${cloud.as('other').projectId}`)).status, 400)
  const [foreign] = await eventsOf(cloud, `?initiator=${cloud.as('other').userId}`)
  assert.equal((await reader.get(`/audit/events/${foreign.id}`)).status, 404)
  assert.equal((await cloud.as('other').get(`/audit/events/${foreign.id}`)).status, 200)

  const seen: string[] = []
  for (let url: string | undefined = '/audit/events?limit=3'; url;) {
    const page: { json: { events: { id: string }[]; next?: string } } = await cloud.as('admin').get(url)
    seen.push(...page.json.events.map(({ id }) => id))
    url = page.json.next?.replace('http://cloud.test', '')
  }
  assert.equal(new Set(seen).size, 8)
  assert.equal(seen.length, 8)
})

test('exports: CSV with a heading, JSON lines, both in the order of the chain', async (t) => {
  const cloud = await busyCloud(t)
  const csv = await cloud.as('admin').get('/audit/events?format=csv')
  assert.match(csv.headers['content-type'] ?? '', /text\/csv/)
  const lines = csv.text.trimEnd().split('\r\n')
  assert.equal(lines.length, 6)
  assert.match(lines[0] ?? '', /^seq,id,eventTime/)
  assert.match(lines[1] ?? '', /^1,/)
  const json = await cloud.app.server.inject({
    url: '/audit/events?format=jsonl&action=create',
    headers: { 'x-auth-token': cloud.as('admin').token },
  })
  const events = json.payload
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { action: string })
  assert.deepEqual(new Set(events.map(({ action }) => action)), new Set(['create']))
  assert.equal(events.length, 5)
})

test('while the database does not take records, requests go on; what was too much is counted in the trail', async (t) => {
  const cloud = await busyCloud(t, 1)
  let away = true
  const flaky = Object.assign(Object.create(cloud.db) as typeof cloud.db, {
    transaction: (work: Parameters<typeof cloud.db.transaction>[0]) =>
      away ? Promise.reject(new Error('away')) : cloud.db.transaction(work),
  })
  const recorder = makeRecorder(flaky, makeLog('test', 'fatal' as 'error'), async () => undefined, { kept: 3 })
  const entry = {
    at: new Date(),
    requestId: 'req-1',
    service: 'network',
    region: 'local',
    method: 'POST',
    pattern: networks,
    params: {},
    action: undefined,
    status: 201,
    fault: undefined,
    signIn: undefined,
    actor: { ...cloud.as('member'), roles: [] } as never,
    address: '127.0.0.1',
    targetProjectId: undefined,
    createdId: undefined,
  }
  for (let i = 0; i < 10; i++) recorder.record(entry)
  await assert.rejects(recorder.flush(), /away/)
  away = false
  await recorder.close()
  const events = await eventsOf(cloud)
  assert.equal(events.length, 5)
  assert.equal(events[0].action, 'update/records-lost')
  assert.equal(events[0].attachments.find((a: { name: string }) => a.name === 'attempts').content, 7)
  assert.equal((await verified(cloud)).ok, true)
})
