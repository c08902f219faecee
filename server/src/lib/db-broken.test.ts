import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import type { Sql } from 'postgres'
import { isDatabaseAway, openDatabase, sql, type Tx } from '#lib/db.ts'
import { transact } from '#lib/db-transaction.ts'
import { makeLog } from '#lib/log.ts'
import { testDatabase } from '#lib/testing/database.ts'

const die = sql`select pg_terminate_backend(pg_backend_pid())`

test('connections that break in transactions are replaced, all of them, and the process lives', async (t) => {
  const { url, drop } = await testDatabase('bare', async () => {})
  const db = openDatabase(url, makeLog('test', 'fatal'), { connections: 3 })
  t.after(async () => {
    await db.close()
    await drop()
  })
  const breaking: ((tx: Tx) => Promise<unknown>)[] = [
    (tx) => tx.rows(die),
    // who does not heed an error gets the next one
    async (tx) => {
      await tx.rows(die).catch(() => {})
      await tx.rows(sql`select 1`)
    },
    (tx) => tx.transaction((nested) => nested.rows(die)),
    (tx) => Promise.all([tx.rows(sql`select 1`), tx.rows(die), tx.rows(sql`select ${'x'.repeat(100_000)}::text`)]),
    // whose connection is cut from outside, while it waits for something else
    async (tx) => {
      const [{ pid }] = (await tx.rows<{ pid: number }>(sql`select pg_backend_pid() as pid`)) as [{ pid: number }]
      await db.rows(sql`select pg_terminate_backend(${pid}, 5000)`)
      await tx.rows(sql`select 1`)
    },
  ]
  for (let round = 0; round < 3; round++)
    for (const work of breaking) await assert.rejects(db.transaction(work), isDatabaseAway)
  await Promise.all(
    Array.from({ length: 6 }, () =>
      assert.rejects(
        db.transaction((tx) => tx.rows(die)),
        isDatabaseAway,
      ),
    ),
  )
  // three transactions that wait for each other need all three connections
  let here = 0
  let all: () => void = () => {}
  const together = new Promise<void>((done) => (all = done))
  const sessions = await Promise.all(
    Array.from({ length: 3 }, () =>
      db.transaction(async (tx) => {
        if (++here === 3) all()
        await together
        return (await tx.rows<{ pid: number }>(sql`select pg_backend_pid() as pid`))[0]?.pid
      }),
    ),
  )
  assert.equal(new Set(sessions).size, 3)
})

test('statements wait while all connections are taken by transactions', async (t) => {
  const { url, drop } = await testDatabase('bare', async () => {})
  const db = openDatabase(url, makeLog('test', 'fatal'), { connections: 1 })
  t.after(async () => {
    await db.close()
    await drop()
  })
  const said: string[] = []
  const others: Promise<unknown>[] = []
  await db.transaction(async (tx) => {
    others.push(
      db.rows(sql`select 1`).then(() => said.push('a statement')),
      db.transaction((other) => other.rows(sql`select 1`)).then(() => said.push('a transaction')),
      db
        .select({ one: sql`1` })
        .from(sql`(select 1) x`)
        .then(() => said.push('another statement')),
    )
    await tx.rows(sql`select pg_sleep(0.05)`)
    said.push('who came first')
  })
  await Promise.all(others)
  assert.equal(said[0], 'who came first')
  assert.deepEqual(said.toSorted(), ['a statement', 'a transaction', 'another statement', 'who came first'])
})

test('a commit on another connection than the beginning is none', async () => {
  /** A connection that breaks before its n-th statement, whose place another one takes. */
  const breaking = (at: number) => {
    let sent = 0
    const unsafe = async () => Object.assign([], { state: { pid: sent++ < at ? 1 : 2 } })
    return { unsafe } as unknown as Sql
  }
  const once = (client: Sql) =>
    transact(
      client,
      async (inner) => inner.unsafe('select 1'),
      () => false,
    )
  assert.deepEqual([...(await once(breaking(3)))], [])
  await assert.rejects(once(breaking(2)), isDatabaseAway)
})

test('a connection that is reset at its first statement is a database that is away, and nothing else', async (t) => {
  // takes whoever comes (AuthenticationOk, ReadyForQuery), and hangs up when it is asked something
  const welcome = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(welcome)
      socket.once('data', () => socket.resetAndDestroy())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const db = openDatabase(`postgres://nobody@127.0.0.1:${port}/nothing`, makeLog('test', 'fatal'), { connections: 2 })
  t.after(async () => {
    await db.close()
    server.close()
  })
  const statement = { text: 'select 1', values: [] }
  for (const ask of [
    () => db.atOnce(statement),
    () => db.transaction((tx) => tx.run(statement)),
    () => db.rows(sql`select 1`),
  ])
    for (let n = 0; n < 5; n++) await assert.rejects(ask(), isDatabaseAway)
})
