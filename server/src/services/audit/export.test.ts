import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { sql } from '#lib/db.ts'
import { testCloud, type TestCloud } from '#lib/testing/cloud.ts'

const records = 100_000
// what two kernels' buffers and one read of the table may hold of it; all of it is five times as much
const mostAhead = 12 * 2 ** 20

async function fill(cloud: TestCloud): Promise<void> {
  await cloud.db.transaction((tx) =>
    tx.rows(sql`insert into audit_record (seq, id, at, service, action, outcome, status, reason, attempts,
      target_type, hash)
    select 1000000 + n, gen_random_uuid(), now(), 'compute', 'update', 'success', 200, repeat('x', 600), 1,
      'compute/server', repeat('0', 64)
    from generate_series(1, ${records}::int) n`),
  )
}

/** How much the server has given to the connection, once it gives no more. */
async function whenStill(socket: Socket): Promise<number> {
  for (let before = -1; ; before = socket.bytesWritten) {
    await wait(300)
    if (socket.bytesWritten === before) return before
  }
}

test('a long trail is written as it is read, and no faster than it is taken', async (t) => {
  const cloud = await testCloud(t)
  await fill(cloud)
  const { server } = cloud.app
  const base = await server.listen({ port: 0, host: '127.0.0.1' })
  const connected = once(server.server, 'connection') as Promise<[Socket]>
  const headers = { 'x-auth-token': cloud.as('admin').token }
  const request = get(`${base}/audit/events?format=csv&service=compute`, { headers })
  const [socket] = await connected
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(answer.statusCode, 200)
  let [taken, lines, mostHeld, mostUnsent] = [0, 0, 0, 0]
  answer.pause()
  mostHeld = await whenStill(socket)
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    taken += chunk.length
    for (const byte of chunk) if (byte === 10) lines++
    mostHeld = Math.max(mostHeld, socket.bytesWritten - taken)
    mostUnsent = Math.max(mostUnsent, socket.writableLength)
  }
  assert.equal(lines, records + 1, 'with the heading')
  assert.ok(taken > 5 * mostAhead, `the whole is ${taken} bytes`)
  assert.ok(mostHeld < mostAhead, `${mostHeld} bytes were on their way at once`)
  assert.ok(mostUnsent < 2 * 2 ** 20, `${mostUnsent} bytes waited for the connection`)
})

test('an export that nobody waits for any more ends', async (t) => {
  const cloud = await testCloud(t)
  await fill(cloud)
  const { server } = cloud.app
  const base = await server.listen({ port: 0, host: '127.0.0.1' })
  const connected = once(server.server, 'connection') as Promise<[Socket]>
  const request = get(`${base}/audit/events?format=jsonl&service=compute`, {
    headers: { 'x-auth-token': cloud.as('admin').token },
  })
  const [socket] = await connected
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  await once(answer, 'data')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  request.destroy()
  await closed
  assert.ok(socket.bytesWritten < mostAhead)
  assert.equal((await cloud.as('admin').get('/audit/events?limit=1')).status, 200)
})
