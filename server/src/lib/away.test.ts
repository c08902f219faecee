// A whole cloud while its database goes away and comes back, by a database of its own that is really stopped.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Type } from 'typebox'
import { makeApp } from '#app'
import { readConfig } from '#lib/config.ts'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { migrate } from '#lib/migrate.ts'
import { startCluster, stopCluster } from '#lib/postgres.ts'
import { done, startTask, task } from '#lib/task.ts'
import { startWorker } from '#lib/worker.ts'

const ran: string[] = []
const probe = task({
  kind: 'probe.away',
  input: Type.Object({ name: Type.String() }),
  deadline: '1m',
  steps: {
    async only({ input }) {
      ran.push(input.name)
      return done()
    },
  },
  failed: async () => {},
})

test('a stopped database is a 503, and all goes on when it is back', { timeout: 60_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'pileus-away-'))
  const { url } = await startCluster(dir, { throwAway: true })
  await migrate(url)
  const log = makeLog('test', process.env['PILEUS_TEST_LOG'] ?? 'fatal')
  const settings = readConfig({}, { simHosts: 1, publicUrl: 'http://cloud.test', adminPassword: 'secret-1' })
  const [here, there] = [openDatabase(url, log, { connections: 3 }), openDatabase(url, log, { connections: 2 })]
  const app = makeApp(here, settings, log)
  await app.prepare()
  const worker = await startWorker(app.world, { slots: 2 })
  t.after(async () => {
    await worker.stop()
    await app.close()
    await there.close()
    await stopCluster(dir)
    await rm(dir, { recursive: true, force: true })
  })
  const signIn = async () => {
    const identity = {
      methods: ['password'],
      password: { user: { name: 'admin', domain: { id: 'default' }, password: 'secret-1' } },
    }
    const url = '/identity/v3/auth/tokens'
    return (await app.server.inject({ method: 'POST', url, payload: { auth: { identity } } })).statusCode
  }
  const heard: string[] = []
  let lost = 0
  here.subscribe(
    'probe',
    (message) => heard.push(message),
    () => lost++,
  )
  assert.equal(await signIn(), 201)

  const before = lost
  await stopCluster(dir)
  assert.equal(await signIn(), 503)
  assert.equal((await app.server.inject('/readyz')).statusCode, 503)
  assert.equal((await app.server.inject('/healthz')).statusCode, 200)

  await startCluster(dir, { throwAway: true })
  assert.equal(await signIn(), 201)
  while (lost === before) await setImmediate()
  there.publish('probe', 'back')
  while (!heard.includes('back')) await setImmediate()
  await there.transaction((tx) => startTask(tx, probe, { name: 'back' }, { key: 'probe:back', region: 'local' }))
  while (!ran.includes('back')) await setImmediate()
})
