import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
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

test('a statement that writes by itself is a transaction', async (t) => {
  const { db, insert, all } = await withTable(t)
  assert.deepEqual([...(await db.atOnce(insert(1, 'x'.repeat(100_000))))], [{ n: '1' }])
  const two = {
    text: 'with one as (insert into number values ($1)) insert into number values ($2) returning n',
    values: [2, 1],
  }
  await assert.rejects(db.atOnce(two), { code: '23505' })
  assert.deepEqual(await all(), [1])
  await db.atOnce({ ...two, values: [2, 3] })
  assert.deepEqual(await all(), [1, 2, 3])
  await assert.rejects(db.rows(sql`insert into number values (4)`), (error: Error) => {
    assert.match(String(error.cause), /read-only transaction/)
    return true
  })
})

test('many at once: those that fail harm no others, those that lock each other out are sent again', async (t) => {
  const { db, insert, all } = await withTable(t)
  for (const n of [1, 2]) await db.atOnce(insert(n))
  const touch = (a: number, b: number) => ({
    text: `with first as (update number set said = said || '.' where n = $1 returning pg_sleep(0.02))
      update number set said = said || '.' where n = $2 and exists (select from first)`,
    values: [a, b],
  })
  await Promise.all(Array.from({ length: 4 }, (_, i) => db.atOnce(i % 2 ? touch(1, 2) : touch(2, 1))))
  const said = await db.rows<{ said: string }>(sql`select said from number`)
  assert.deepEqual(
    said.map((each) => each.said.length),
    [4, 4],
  )
  const ended = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => db.atOnce(insert(i % 2 ? 100 + i : 1))))
  assert.equal(ended.filter(({ status }) => status === 'rejected').length, 20)
  assert.equal((await all()).length, 22)
})

test('statements share a connection, but not one that is at something slow', async (t) => {
  const { db } = await withTable(t)
  const pid = async () => (await db.rows<{ pid: number }>(sql`select pg_backend_pid() as pid`))[0]?.pid
  await Promise.all([pid(), pid()])
  assert.equal(new Set(await Promise.all([pid(), pid(), pid()])).size, 1)
  const holder = await db.openSession(() => {})
  await holder.rows(sql`select pg_advisory_lock(1)`)
  const slow = db.rows(sql`select pg_advisory_xact_lock(1)`)
  await delay(20)
  // who waited behind that one would wait for ever
  await pid()
  holder.release()
  await slow
})
