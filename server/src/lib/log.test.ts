import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { sql } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testCloud } from '#lib/testing/cloud.ts'

test('a failed statement is logged without what it was to write', async (t) => {
  const cloud = await testCloud(t)
  const lines: string[] = []
  const log = makeLog('test', 'info', { write: (line) => lines.push(line) })
  const failing = [
    sql`insert into nowhere (a) values (${'hunter2'})`,
    // PostgreSQL quotes the whole row in the details of this one
    sql`insert into inventory (provider_id, resource_class, total) values (gen_random_uuid(), ${'hunter2'}, -1)`,
  ]
  for (const statement of failing) {
    await assert.rejects(
      cloud.db.transaction((tx) => tx.rows(statement)),
      (error) => {
        log.error({ err: error }, 'request failed')
        return true
      },
    )
  }
  const text = lines.join('')
  assert.ok(!text.includes('hunter2'), text)
  for (const told of ['nowhere', '42P01', '23514', 'log.test.ts']) assert.ok(text.includes(told), told)
})

const loggingProcess = (script: string) => {
  const source = `import { makeLog } from ${JSON.stringify(import.meta.resolve('#lib/log.ts'))}
    const log = makeLog('test', 'info')
    ${script}`
  return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
}
const messages = (lines: string[]) => lines.map((line) => (JSON.parse(line) as { msg: string }).msg)

test('a warning is written at once, with what was gathered before it', async () => {
  const stuck = `log.info('before'); log.warn('a warning'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`
  const child = loggingProcess(stuck)
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) if (lines.push(line) === 2) break
  child.kill('SIGKILL')
  assert.deepEqual(messages(lines), ['before', 'a warning'])
})

test('what is gathered is written when the process ends', async () => {
  const child = loggingProcess(`for (let n = 0; n < 300; n++) log.info(String(n)); process.exit(0)`)
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) lines.push(line)
  if (child.exitCode === null) await once(child, 'exit')
  assert.deepEqual(
    messages(lines),
    Array.from({ length: 300 }, (_, n) => String(n)),
  )
})
