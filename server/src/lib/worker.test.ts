// Take-over of a killed worker, with a real process that is really killed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Type } from 'typebox'
import { openDatabase, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { makeLog } from '#lib/log.ts'
import { done, next, startTask, task } from '#lib/task.ts'
import { testCloud } from '#lib/testing/cloud.ts'
import { testDatabase } from '#lib/testing/database.ts'
import { startWorker } from '#lib/worker.ts'
import type { World } from '#lib/world.ts'

const reached: string[] = []
const survivor = task({
  kind: 'probe.survivor',
  input: Type.Object({}),
  deadline: '1m',
  steps: {
    async hold({ signal }) {
      reached.push('hold')
      // the first process never comes back from here; the one that takes over does
      if (process.env['PILEUS_TEST_HOLD']) {
        await once(signal, 'abort')
        process.stdout.write('let go\n')
      }
      return next()
    },
    async finish() {
      reached.push('finish')
      return done()
    },
  },
  failed: async () => {},
})

/** The world of a bare worker: tasks only. */
function bareWorld(url: string): World {
  const log = makeLog('test', process.env['PILEUS_TEST_LOG'] ?? 'fatal')
  return {
    db: openDatabase(url, log, { connections: 3 }),
    log,
    config: {} as World['config'],
    directories: {} as World['directories'],
    drivers: () => ({}) as never,
  }
}

if (process.env['PILEUS_TEST_HOLD']) {
  const world = bareWorld(process.env['PILEUS_TEST_HOLD'])
  // a lease that outlasts every test, but for the one about leases
  await startWorker(world, { slots: 1, leaseMs: Number(process.env['PILEUS_TEST_LEASE_MS'] ?? 600_000) })
} else {
  test('the task of a killed process goes on in another one, at the same step', async (t) => {
    const { url, drop } = await testDatabase('empty_of_all', async () => {})
    const world = bareWorld(url)
    const child = spawn(process.execPath, [import.meta.filename], {
      env: { PATH: process.env['PATH'], PILEUS_TEST_HOLD: url },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    t.after(async () => {
      child.kill('SIGKILL')
      await world.db.close()
      await drop()
    })
    await world.db.transaction((tx) => startTask(tx, survivor, {}, { key: 'probe:survivor', region: 'local' }))
    const state = async () =>
      (await world.db.rows<{ state: string; step: string }>(sql`select state, step from task`))[0]
    while ((await state())?.state !== 'running') assert.equal(child.exitCode, null)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const worker = await startWorker(world, { slots: 1 })
    while ((await state())?.state !== 'done') assert.notEqual((await state())?.state, 'failed')
    await worker.stop()
    assert.deepEqual(reached, ['hold', 'finish'])
  })

  test('the task of a frozen process goes on in another one; thawed, that one has lost it and works on', async (t) => {
    const { url, drop } = await testDatabase('empty_of_all', async () => {})
    const world = bareWorld(url)
    const child = spawn(process.execPath, [import.meta.filename], {
      env: { PATH: process.env['PATH'], PILEUS_TEST_HOLD: url, PILEUS_TEST_LEASE_MS: '1000' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(async () => {
      child.kill('SIGKILL')
      await world.db.close()
      await drop()
    })
    const begin = (name: string) =>
      world.db.transaction((tx) => startTask(tx, survivor, {}, { key: `probe:${name}`, region: 'local' }))
    const state = async (id: string) =>
      (await world.db.rows<{ state: string; epoch: number }>(sql`select state, epoch from task where id = ${id}`))[0]!
    const first = await begin('frozen')
    while ((await state(first)).state !== 'running') assert.equal(child.exitCode, null)
    // its session in the database lives on: only the lease says that nobody works there
    child.kill('SIGSTOP')
    reached.length = 0
    const worker = await startWorker(world, { slots: 1 })
    while ((await state(first)).state !== 'done') assert.notEqual((await state(first)).state, 'failed')
    await worker.stop()
    child.kill('SIGCONT')
    assert.equal(String((await once(child.stdout, 'data'))[0]), 'let go\n')
    const second = await begin('thawed')
    while ((await state(second)).state !== 'running') assert.equal(child.exitCode, null)
    const steps = await world.db.rows<{ name: string }>(
      sql`select name from task_step where task_id = ${first} order by n`,
    )
    assert.deepEqual(
      [reached, steps.map(({ name }) => name), await state(first)],
      [['hold', 'finish'], ['hold', 'finish'], { state: 'done', epoch: 2 }],
    )
  })

  test('a task whose end could not be written comes back when its lease is over', { timeout: 30_000 }, async (t) => {
    const { url, drop } = await testDatabase('empty_of_all', async () => {})
    const world = bareWorld(url)
    t.after(async () => {
      await world.db.close()
      await drop()
    })
    let tries = 0
    const stubborn = task({
      kind: 'probe.stubborn',
      input: Type.Object({}),
      deadline: '1m',
      steps: { only: async () => invalid('It cannot be.') },
      async failed() {
        if (++tries === 1) throw new Error('the database is away')
      },
    })
    const worker = await startWorker(world, { slots: 1, leaseMs: 300 })
    await world.db.transaction((tx) => startTask(tx, stubborn, {}, { key: 'probe:stubborn', region: 'local' }))
    const state = async () => (await world.db.rows<{ state: string }>(sql`select state from task`))[0]?.state
    while ((await state()) !== 'failed') await setImmediate()
    assert.equal(tries, 2)
    await worker.stop()
  })

  test(
    'a worker whose session breaks gets another one, and keeps its tasks from others',
    { timeout: 30_000 },
    async (t) => {
      const { url, drop } = await testDatabase('empty_of_all', async () => {})
      const world = bareWorld(url)
      t.after(async () => {
        await world.db.close()
        await drop()
      })
      const locks = () =>
        world.db.rows<{ owner: number; pid: number }>(
          sql`select objid::int as owner, pid from pg_locks where locktype = 'advisory' and classid = 7001 and granted
              and database = (select oid from pg_database where datname = current_database())`,
        )
      const worker = await startWorker(world, { slots: 1 })
      const [before] = await locks()
      await world.db.rows(sql`select pg_terminate_backend(${before!.pid})`)
      let after: { owner: number } | undefined
      while (!after) after = (await locks()).find(({ owner }) => owner !== before!.owner)
      reached.length = 0
      await world.db.transaction((tx) => startTask(tx, survivor, {}, { key: 'probe:again', region: 'local' }))
      while (!reached.includes('finish')) await setImmediate()
      await worker.stop()
    },
  )

  test('the owner sees a task with its steps, others do not', async (t) => {
    const cloud = await testCloud(t)
    const member = cloud.as('member')
    const id = await cloud.db.transaction((tx) =>
      startTask(tx, survivor, {}, { key: 'probe:mine', region: 'local', projectId: member.projectId }),
    )
    const before = await member.get(`/tasks/${id}`)
    assert.deepEqual(
      before.json.task.steps.map((s: { name: string; state: string }) => `${s.name} ${s.state}`),
      ['hold running', 'finish waiting'],
    )
    await cloud.runTasks()
    const after = await member.get(`/tasks/${id}`)
    assert.deepEqual(
      [
        after.json.task.state,
        after.json.task.steps.map((s: { name: string; state: string }) => `${s.name} ${s.state}`),
      ],
      ['done', ['hold done', 'finish done']],
    )
    assert.equal((await member.get('/tasks')).json.tasks.length, 1)
    assert.equal((await cloud.as('other').get(`/tasks/${id}`)).status, 404)
    assert.equal((await cloud.as('other').get('/tasks')).json.tasks.length, 0)
    assert.equal((await cloud.as('stranger').get('/tasks')).status, 401)
  })
}
