import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { sendPieces } from '#lib/http/answer.ts'
import { begun, inTurn, type Pieces, pieces, piecesOf } from '#lib/pieces.ts'
import { borrow, giveBack, slabBytes } from '#lib/slab.ts'
import { allOf, lent } from '#lib/testing/pieces.ts'

/** A server that does this with one request; answers how to reach it. */
async function served(t: TestContext, handle: (req: IncomingMessage, res: ServerResponse) => unknown): Promise<number> {
  const server = createServer((req, res) => void handle(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function put(port: number, body: AsyncIterable<Buffer>, agent: Agent | false = false) {
  const outgoing = request({ port, host: '127.0.0.1', method: 'PUT', agent })
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
  for await (const piece of body) outgoing.write(Buffer.from(piece))
  outgoing.end()
  const [incoming] = await answered
  return {
    status: incoming.statusCode,
    from: outgoing.socket?.localPort,
    bytes: await allOf(incoming as AsyncIterable<Buffer>),
  }
}

/** What has an end that can be seen. */
function watched(source: AsyncIterable<Buffer>) {
  const inner = source[Symbol.asyncIterator]()
  const seen = { asked: 0, closed: 0 }
  const made: Pieces = pieces({
    async next() {
      seen.asked++
      return (await inner.next()) as IteratorResult<Buffer, undefined>
    },
    async return() {
      seen.closed++
      await inner.return?.()
      return { done: true, value: undefined }
    },
  })
  return Object.assign(seen, { pieces: made })
}

test('a body comes back as it was sent, whatever it was cut into and however slowly it is read, many at once', async (t) => {
  const port = await served(t, async (req, res) => {
    const got: Buffer[] = []
    for await (const piece of piecesOf(req)) {
      assert.ok(piece.length > 0 && piece.length <= slabBytes)
      // an odd one is slow, so that much gathers meanwhile
      if (req.headers['content-type'] === 'slow') for (let n = randomInt(20); n > 0; n--) await turn()
      got.push(Buffer.from(piece))
      piece.fill(0xdd)
    }
    res.end(Buffer.concat(got))
  })
  await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const data = randomBytes([0, 1, 65_536, 100_003, 3_000_001][n % 5]!)
      const { bytes } = await put(port, lent(data, 1 + n, 1000 * n + 7, 65_536, 300_000))
      assert.ok(bytes.equals(data), `body ${n}`)
    }),
  )
})

test('nothing is read before it is asked for, and what is not taken stays with the sender', async () => {
  let made = 0
  const stream = Readable.from(
    (function* endless() {
      for (;;) {
        made++
        yield Buffer.alloc(65_536)
      }
    })(),
    { objectMode: false },
  )
  const from = piecesOf(stream)
  await turn()
  assert.equal(made, 0)
  await from.next()
  for (let n = 0; n < 100; n++) await turn()
  const most = made * 65_536
  assert.ok(most < 3 * slabBytes, `${most} bytes were read ahead`)
  for (let n = 0; n < 100; n++) await turn()
  assert.equal(made * 65_536, most)
  await from.return()
  stream.destroy()
})

test('a client that goes in the middle is an error, behind the bytes that it sent', async (t) => {
  const failed = Promise.withResolvers<{ bytes: number; error: unknown }>()
  const port = await served(t, async (req) => {
    let bytes = 0
    try {
      for await (const piece of piecesOf(req)) bytes += piece.length
      failed.reject(new Error('a broken body has no end'))
    } catch (error) {
      failed.resolve({ bytes, error })
    }
  })
  const outgoing = request({ port, host: '127.0.0.1', method: 'PUT', headers: { 'content-length': '1000000' } })
  outgoing.on('error', () => {})
  outgoing.write(Buffer.alloc(200_000), () => outgoing.destroy())
  const { bytes, error } = await failed.promise
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
  assert.ok(bytes <= 200_000)
})

test('who stops reading answers all the same, on a connection that can be used again', async (t) => {
  const port = await served(t, async (req, res) => {
    for await (const _ of piecesOf(req)) break
    res.writeHead(413).end('enough')
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const refused = await put(port, lent(Buffer.alloc(5_000_000), 100_000), agent)
  assert.deepEqual([refused.status, refused.bytes.toString()], [413, 'enough'])
  assert.deepEqual(await put(port, lent(Buffer.alloc(10), 10), agent), refused)
})

test('pieces in turn are opened one after the other, and who stops early closes the one that is open', async () => {
  const [first, second] = [watched(lent(Buffer.from('abcdef'), 4)), watched(lent(Buffer.from('ghi'), 2))]
  const rest = [() => Buffer.from('-'), async () => second.pieces, async () => Buffer.from('.')]
  assert.equal((await allOf(inTurn(first.pieces, rest))).toString(), 'abcdef-ghi.')
  const [open, unopened] = [watched(lent(Buffer.from('abc'), 1)), watched(lent(Buffer.from('d'), 1))]
  for await (const _ of inTurn(open.pieces, [async () => unopened.pieces])) break
  assert.deepEqual([open.closed, unopened.asked], [1, 0])
  const never = watched(lent(Buffer.from('abc'), 1))
  await inTurn(never.pieces).return()
  assert.equal(never.closed, 1)
})

test('what is wrong with the first piece of a generator is said when it is begun', async () => {
  async function* checked(first: Buffer): AsyncGenerator<Buffer, undefined> {
    if (first.length === 0) throw new Error('wrong')
    yield first
  }
  await assert.rejects(begun(checked(Buffer.alloc(0))), /wrong/)
  assert.equal((await allOf(await begun(lent(Buffer.from('abcde'), 2)))).toString(), 'abcde')
})

test('a reply is sent whole; where its source fails the connection ends, where the client goes the source is closed', async (t) => {
  const data = randomBytes(5_000_000)
  let source = watched(lent(data, 500_000, 3))
  const port = await served(t, (_, res) => {
    res.writeHead(200, { 'content-length': data.length })
    void sendPieces(source.pieces, res)
  })
  const get = async () => {
    const outgoing = request({ port, host: '127.0.0.1', agent: false }).end()
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return incoming
  }
  assert.ok(data.equals(await allOf((await get()) as AsyncIterable<Buffer>)))

  async function* broken(): AsyncGenerator<Buffer, undefined> {
    yield* lent(data.subarray(0, 1_000_000), 500_000)
    throw new Error('the disk broke')
  }
  source = watched(broken())
  await assert.rejects(allOf((await get()) as AsyncIterable<Buffer>), { code: 'ECONNRESET' })

  // more than any socket holds
  source = watched(
    (async function* endless() {
      for (;;) yield data
    })(),
  )
  const incoming = await get()
  incoming.destroy()
  while (source.closed === 0) await turn()
  assert.equal(source.closed, 1)
})

test('when many slabs are lent those who come get less, and nobody waits', () => {
  const lentOnes = Array.from({ length: 100 }, borrow)
  assert.equal(new Set(lentOnes.map(({ buffer }) => buffer)).size, 100)
  assert.ok(lentOnes.some(({ length }) => length < slabBytes))
  const bytes = lentOnes.reduce((sum, { length }) => sum + length, 0)
  assert.ok(bytes < 50 * slabBytes, `${bytes} bytes are lent`)
  for (const slab of lentOnes) giveBack(slab)
  const again = Array.from({ length: 100 }, borrow)
  assert.equal(new Set(again.map(({ buffer }) => buffer)).size, 100)
  for (const slab of again) giveBack(slab)
})
