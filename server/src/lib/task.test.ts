import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from 'typebox'
import { sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { again, done, next, startTask, task } from '#lib/task.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { startWorker } from '#lib/worker.ts'

const calls: string[] = []
const probe = task({
  kind: 'probe.run',
  input: Type.Object({ name: Type.String(), fail: Type.Optional(Type.String()) }),
  deadline: '1m',
  steps: {
    async first({ input }) {
      calls.push(`${input.name}.first`)
      return next()
    },
    async second({ input }) {
      const entered = `${input.name}.second`
      calls.push(entered)
      if (input.fail === 'fault') return invalid('It cannot be.')
      if (input.fail === 'once' && calls.filter((call) => call === entered).length === 1) throw new Error('outside')
      if (input.fail === 'wait') return again(3600)
      return next()
    },
    async third({ input }) {
      calls.push(`${input.name}.third`)
      return done((tx) => tx.rows(sql`insert into secret (name, serial, value) values (${input.name}, 1, '')`))
    },
  },
  failed: (tx, { name }, fault) =>
    tx.rows(sql`insert into secret (name, serial, value) values (${`${name}: ${fault.message}`}, 1, '')`),
})
const remove = task({
  kind: 'probe.remove',
  input: Type.Object({ name: Type.String() }),
  deadline: '1m',
  supersedes: true,
  steps: {
    async only({ input }) {
      calls.push(`${input.name}.removed`)
      return done()
    },
  },
  failed: async () => {},
})

const at = (key: string) => ({ key, region: 'local' })
const names = async (cloud: Awaited<ReturnType<typeof testCloud>>) =>
  (await cloud.db.rows<{ name: string }>(sql`select name from secret where value = '' order by name`)).map(
    ({ name }) => name,
  )

test('steps run in order and the last commit is made once', async (t) => {
  const cloud = await testCloud(t)
  await cloud.db.transaction((tx) => startTask(tx, probe, { name: 'a' }, at('probe:a')))
  await cloud.runTasks()
  assert.deepEqual(
    calls.filter((c) => c.startsWith('a.')),
    ['a.first', 'a.second', 'a.third'],
  )
  assert.deepEqual(await names(cloud), ['a'])
})

test('a task that was never committed does not exist', async (t) => {
  const cloud = await testCloud(t)
  await assert.rejects(
    cloud.db.transaction(async (tx) => {
      await startTask(tx, probe, { name: 'b' }, at('probe:b'))
      throw new Error('no')
    }),
  )
  await cloud.runTasks()
  assert.equal(calls.filter((c) => c.startsWith('b.')).length, 0)
})

test('killed before or after the commit of a step it goes on and commits once', async (t) => {
  const cloud = await testCloud(t)
  for (const when of ['before', 'after'] as const) {
    for (const where of ['first', 'second', 'third']) {
      const name = `c-${when}-${where}`
      let killed = false
      await cloud.db.transaction((tx) => startTask(tx, probe, { name }, at(`probe:${name}`)))
      await cloud.runTasks({ crash: (_, step) => (step === where && !killed ? ((killed = true), when) : undefined) })
      assert.ok((await names(cloud)).includes(name), name)
    }
  }
})

test('a Fault fails the task at once, any other error is tried again', async (t) => {
  const cloud = await testCloud(t)
  await cloud.db.transaction((tx) => startTask(tx, probe, { name: 'd', fail: 'fault' }, at('probe:d')))
  await cloud.db.transaction((tx) => startTask(tx, probe, { name: 'e', fail: 'once' }, at('probe:e')))
  await cloud.runTasks()
  assert.deepEqual(await names(cloud), ['d: It cannot be.', 'e'])
  const rows = await cloud.db.rows<{ state: string; error: string | null }>(
    sql`select state, error from task order by created_at`,
  )
  assert.deepEqual(
    rows.map((row) => [row.state, row.error]),
    [
      ['failed', 'It cannot be.'],
      ['done', null],
    ],
  )
})

test('a second task of one resource is refused, one that supersedes takes its place', async (t) => {
  const cloud = await testCloud(t)
  await cloud.db.transaction((tx) => startTask(tx, probe, { name: 'f', fail: 'wait' }, at('probe:f')))
  await assert.rejects(
    cloud.db.transaction((tx) => startTask(tx, probe, { name: 'g' }, at('probe:f'))),
    /under way/,
  )
  await cloud.db.transaction((tx) => startTask(tx, remove, { name: 'f' }, at('probe:f')))
  await cloud.runTasks()
  assert.ok(calls.includes('f.removed'))
  const rows = await cloud.db.rows<{ kind: string; state: string }>(
    sql`select kind, state from task order by created_at, kind desc`,
  )
  assert.deepEqual(
    rows.map((row) => `${row.kind} ${row.state}`),
    ['probe.run cancelled', 'probe.remove done'],
  )
})

test('a delete that comes in the moment in which the other task ends is not lost', async (t) => {
  const cloud = await testCloud(t)
  await cloud.db.transaction((tx) => startTask(tx, probe, { name: 'h', fail: 'wait' }, at('probe:h')))
  await cloud.db.transaction(async (tx) => {
    // the other task ends between the insert, which finds it, and the next statement
    const between = Object.assign(Object.create(tx) as typeof tx, {
      async rows(query: Parameters<typeof tx.rows>[0]) {
        await cloud.db.transaction((other) =>
          other.rows(sql`update task set state = 'done', finished_at = now() where key = 'probe:h' and state = 'queued'
                           and kind = 'probe.run'`),
        )
        return tx.rows(query)
      },
    })
    await startTask(between, remove, { name: 'h' }, at('probe:h'))
  })
  await cloud.runTasks()
  assert.ok(calls.includes('h.removed'))
})

test('the same deletion twice is one task', async (t) => {
  const cloud = await testCloud(t)
  const start = () => cloud.db.transaction((tx) => startTask(tx, remove, { name: 'i' }, at('probe:i')))
  assert.equal(await start(), await start())
})

test('what a savepoint was rolled back with is not told after the commit', async (t) => {
  const cloud = await testCloud(t)
  const told: string[] = []
  await cloud.db.transaction(async (tx) => {
    await tx
      .transaction(async (inner) => {
        inner.afterCommit(() => told.push('rolled back'))
        throw new Error('no')
      })
      .catch(() => {})
    await tx.transaction(async (inner) => inner.afterCommit(() => told.push('inner')))
    tx.afterCommit(() => told.push('outer'))
  })
  assert.deepEqual(told, ['inner', 'outer'])
})

test('a delete that arrives while a step runs begins when the step has ended', async (t) => {
  const cloud = await testCloud(t)
  const worker = await startWorker(cloud.app.world, { slots: 2 })
  const ended = Promise.withResolvers<void>()
  const inStep = Promise.withResolvers<void>()
  const slow = task({
    kind: 'probe.slow',
    input: Type.Object({}),
    deadline: '1m',
    steps: {
      async hold() {
        inStep.resolve()
        await ended.promise
        return next()
      },
      async never() {
        calls.push('slow.never')
        return done()
      },
    },
    failed: async () => {},
  })
  await cloud.db.transaction((tx) => startTask(tx, slow, {}, at('probe:slow')))
  await inStep.promise
  await cloud.db.transaction((tx) => startTask(tx, remove, { name: 'slow' }, at('probe:slow')))
  ended.resolve()
  while (!calls.includes('slow.removed')) await cloud.db.ping()
  assert.ok(!calls.includes('slow.never'))
  await worker.stop()
})

test('outside a transaction the database refuses a write', async (t) => {
  const cloud = await testCloud(t)
  await assert.rejects(
    cloud.db.rows(sql`insert into secret (name, serial, value) values ('x', 1, '')`),
    (error: Error) => /read-only/.test(String(error.cause)),
  )
})

test('token for a password, token check, and a wrong password', async (t) => {
  const cloud = await testCloud(t, { adminPassword: 'secret-1' })
  const answer = await cloud
    .as('member')
    .get('/identity/v3/auth/tokens', { headers: { 'x-subject-token': cloud.as('member').token } })
  assert.equal(answer.status, 200)
  assert.deepEqual(
    answer.json.token.roles.map((r: { name: string }) => r.name),
    ['member', 'reader'],
  )
  assert.equal((await cloud.as('stranger').get('/identity/v3/auth/tokens')).status, 401)
})
