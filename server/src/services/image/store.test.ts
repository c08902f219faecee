import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { readConfig } from '#lib/config.ts'
import { Fault } from '#lib/fault.ts'
import { putImage } from './store.ts'

test('a client whose upload is refused in its middle sees the refusal and goes on with the same connection', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'pileus-store-'))
  t.after(() => rmSync(data, { recursive: true }))
  const config = readConfig({}, { data })
  const refuse = () => {
    throw new Fault('invalid', 'refused')
  }
  const server = createServer((req, res) => {
    if (req.method === 'GET') return void res.end('next')
    void putImage(config, 'image', req, refuse).catch((error: Error) => res.writeHead(400).end(error.message))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => {
    agent.destroy()
    server.close()
  })
  const send = async (method: string, body?: Buffer) => {
    const outgoing = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', method, agent })
    outgoing.end(body)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return { status: incoming.statusCode, text: await text(incoming), port: outgoing.socket?.localPort }
  }
  const refused = await send('PUT', Buffer.alloc(8 * 2 ** 20))
  assert.deepEqual([refused.status, refused.text], [400, 'refused'])
  const next = await send('GET')
  assert.deepEqual([next.status, next.text, next.port], [200, 'next', refused.port])
  assert.deepEqual(readdirSync(join(data, 'images')), [])
})
