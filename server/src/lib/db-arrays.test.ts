import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '#lib/connect.ts'
import { testDatabase } from '#lib/testing/database.ts'

test('arrays go to PostgreSQL and come back as they were', async (t) => {
  const { url, drop } = await testDatabase('bare', async () => {})
  const client = connect(url, { max: 1 })
  t.after(async () => {
    await client.end()
    await drop()
  })
  const odd = ['', ' ', 'null', 'NULL', '"', '\\', 'a,b', '{', '}', '{}', "it's", 'grün\n😀', '\\"', null]
  const id = '01a2230d-768c-764d-8cc6-237937203b33'
  const moment = '2026-11-28 17:00:00+00'
  for (const [type, given, expected = given] of [
    ['text', odd],
    ['text', []],
    ['text', [odd, odd.toReversed()]],
    ['varchar', ['a', null]],
    ['uuid', [id, null]],
    ['int4', [1, -2, null]],
    ['int8', ['9007199254740993', null]],
    ['float8', [1.5, null]],
    ['bool', ['true', 'f', null], [true, false, null]],
    ['jsonb', [{ a: ['b', '"'] }, null]],
    ['inet', ['10.0.0.1', '::1']],
    ['timestamptz', [moment]],
  ] as [string, unknown[], unknown[]?][]) {
    // the type is told by PostgreSQL, not by the value
    const [row] = await client.unsafe(`select $1::${type}[] as back`, [given as never])
    assert.deepEqual(row!['back'], expected, type)
  }
  const [bounds] = await client.unsafe(`select '[0:1]={1,2}'::int4[] as given`)
  assert.deepEqual(bounds!['given'], [1, 2])
})
