import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase, sql } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'
import { testDatabase } from '#lib/testing/database.ts'

async function withTable(t: { after: (end: () => Promise<void>) => void }) {
  const { url, drop } = await testDatabase('bare', async () => {})
  const db = openDatabase(url, makeLog('test', 'error'), { connections: 2 })
  t.after(async () => {
    await db.close()
    await drop()
  })
  await db.transaction((tx) => tx.rows(sql`create table number (n bigint primary key, said text)`))
  const insert = (n: number, said = '') => ({
    text: 'insert into number values ($1, $2) returning n',
    values: [n, said],
  })
  const all = async () => (await db.rows<{ n: string }>(sql`select n from number order by n`)).map(({ n }) => Number(n))
  return { db, insert, all }
}

test('statements sent at once are one transaction, each with its rows', async (t) => {
  const { db, insert, all } = await withTable(t)
  const long = 'x'.repeat(100_000)
  const rows = await db.atOnce([
    insert(1),
    insert(2, long),
    { text: 'select length(said) as l from number', values: [] },
  ])
  assert.deepEqual(
    rows.map((each) => [...each]),
    [[{ n: '1' }], [{ n: '2' }], [{ l: 0 }, { l: 100_000 }]],
  )
  await assert.rejects(db.atOnce([insert(3), insert(1), insert(4)]), { code: '23505' })
  assert.deepEqual(await all(), [1, 2])
  await db.atOnce([insert(3)])
  assert.deepEqual(await all(), [1, 2, 3])
})

test('many at once: whole or not at all, and those that lock each other out are sent again', async (t) => {
  const { db, insert, all } = await withTable(t)
  await db.atOnce([insert(1), insert(2)])
  const touch = (n: number) => ({ text: 'update number set said = said || $2 where n = $1', values: [n, '.'] })
  await Promise.all(Array.from({ length: 4 }, (_, i) => db.atOnce(i % 2 ? [touch(1), touch(2)] : [touch(2), touch(1)])))
  const said = await db.rows<{ said: string }>(sql`select said from number`)
  assert.deepEqual(
    said.map((each) => each.said.length),
    [4, 4],
  )
  const ended = await Promise.allSettled(
    Array.from({ length: 40 }, (_, i) => db.atOnce(i % 2 ? [insert(100 + i)] : [insert(100 + i), insert(1)])),
  )
  assert.equal(ended.filter(({ status }) => status === 'rejected').length, 20)
  assert.equal((await all()).length, 22)
})
