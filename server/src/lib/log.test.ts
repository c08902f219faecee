import assert from 'node:assert/strict'
import { test } from 'node:test'
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
