import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '#lib/connect.ts'
import { startCluster, stopCluster } from '#lib/postgres.ts'

test('a cluster starts again behind a killed one, in a directory of any name', { timeout: 60_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "pileus o'clock $x "))
  t.after(async () => {
    await stopCluster(dir)
    await rm(dir, { recursive: true, force: true })
  })
  const first = await startCluster(dir, { throwAway: true })
  assert.deepEqual(await startCluster(dir, { throwAway: true }), first)
  // a session that is busy keeps the dead cluster's memory for a moment
  const busy = connect(first.url, { max: 1 })
  const sleeping = busy`select pg_sleep(0.3)`.catch(() => {})
  await busy`select 1`.catch(() => {})
  process.kill(first.pid, 'SIGKILL')
  const [second, third] = await Promise.all([
    startCluster(dir, { throwAway: true }),
    startCluster(dir, { throwAway: true }),
  ])
  assert.notEqual(second.pid, first.pid)
  assert.equal(third.pid, second.pid)
  await sleeping
  await busy.end({ timeout: 1 })
  assert.equal(await stopCluster(dir), true)
  assert.equal(await stopCluster(dir), false)
})
