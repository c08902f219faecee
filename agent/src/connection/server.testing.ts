// The server's end of the agent protocol for tests: real HTTP, real frames (RFC 6455), real signatures.
import { createHash, createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type AgentFrame,
  Hello,
  helloText,
  joinedText,
  JoinRequest,
  joinText,
  welcomeText,
} from '@pileus/contract/agent.ts'
import Value from 'typebox/value'
import { isSignedBy, publicKeyOf, signText } from './keys.ts'

export interface TestServer {
  url: string
  /** `<tokenId>.<secret>` */
  token: string
  /** Resolves with each greeted connection in turn. */
  connection(): Promise<TestConnection>
  /** Bytes served as images, by id. */
  images: Map<string, Buffer>
  /** Signs with this key from now on: an impostor. */
  useAnotherKey(): void
  downloads: string[]
  close(): Promise<void>
}

export interface TestConnection {
  send(frame: unknown): void
  sendText(text: string): void
  /** The next frame that arrives. */
  next(): Promise<AgentFrame>
  /** The next frame that passes the test; others are dropped. */
  until<T extends AgentFrame>(wanted: (frame: AgentFrame) => frame is T): Promise<T>
  drop(): void
  closed: Promise<void>
}

export async function testServer(leaseSeconds = 15): Promise<TestServer> {
  const secret = randomBytes(16).toString('hex')
  let key = generateKeyPairSync('ed25519').privateKey
  const serverKey = publicKeyOf(key)
  const hosts = new Map<string, string>()
  const images = new Map<string, Buffer>()
  const downloads: string[] = []
  const greeted: TestConnection[] = []
  const waiting: ((connection: TestConnection) => void)[] = []
  const sockets = new Set<Duplex>()
  const hmac = (text: string) => createHmac('sha256', secret).update(text).digest('base64url')

  const http = createServer((request, response) => {
    const answer = (status: number, body: string | Buffer) => void response.writeHead(status).end(body)
    void (async () => {
      const id = /^\/agent\/v1\/images\/(.+)$/.exec(request.url ?? '')?.[1]
      if (id !== undefined) {
        downloads.push(id)
        const image = images.get(id)
        if (!isAuthorised(request, hosts)) return answer(401, 'who are you?')
        return image === undefined ? answer(404, 'no such image') : answer(200, image)
      }
      if (request.url !== '/agent/v1/join') return answer(404, 'no such page')
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array))
      const { tokenId, name, publicKey, proof } = Value.Parse(JoinRequest, JSON.parse(Buffer.concat(chunks).toString()))
      if (proof !== hmac(joinText(tokenId, name, publicKey))) return answer(401, 'the token is not good')
      const hostId = `host-${hosts.size + 1}`
      hosts.set(hostId, publicKey)
      answer(200, JSON.stringify({ hostId, serverKey, proof: hmac(joinedText(hostId, serverKey, publicKey)) }))
    })()
  })
  http.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    const connection = frames(socket)
    void (async () => {
      const nonce = randomBytes(16).toString('hex')
      connection.send({ type: 'challenge', nonce })
      const hello: unknown = await connection.next()
      if (!Value.Check(Hello, hello)) return socket.destroy()
      const { hostId, signature } = hello
      if (!isSignedBy(hosts.get(hostId) ?? '', helloText(hostId, nonce, hello.nonce), signature))
        return socket.destroy()
      connection.send({
        type: 'welcome',
        leaseSeconds,
        signature: signText(key, welcomeText(hostId, hello.nonce, nonce)),
      })
      const next = waiting.shift()
      if (next === undefined) greeted.push(connection)
      else next(connection)
    })()
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    token: `token-1.${secret}`,
    images,
    downloads,
    connection: async () => greeted.shift() ?? (await new Promise((resolve) => waiting.push(resolve))),
    useAnotherKey: () => (key = generateKeyPairSync('ed25519').privateKey),
    async close() {
      for (const socket of sockets) socket.destroy()
      http.closeAllConnections()
      http.close()
      await once(http, 'close')
    },
  }
}

function isAuthorised(request: IncomingMessage, hosts: Map<string, string>): boolean {
  const match = /^Pileus-Agent (.+)\.(\d+)\.([\w-]+)$/.exec(request.headers.authorization ?? '')
  const [, hostId = '', seconds, signature = ''] = match ?? []
  return isSignedBy(hosts.get(hostId) ?? '', `${request.method}\n${request.url}\n${hostId}\n${seconds}`, signature)
}

/** Text frames up to 64 KiB from a client; fragments are not needed here and end the connection. */
function frames(socket: Duplex): TestConnection {
  let buffer = Buffer.alloc(0)
  const arrived: AgentFrame[] = []
  const waiting: ((frame: AgentFrame) => void)[] = []
  let close = () => {}
  const closed = new Promise<void>((resolve) => (close = resolve))
  socket.on('error', () => {})
  socket.on('close', () => close())
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk])
    for (;;) {
      if (buffer.length < 6) return
      const opcode = (buffer[0] ?? 0) & 15
      const short = (buffer[1] ?? 0) & 127
      const start = short === 126 ? 4 : short === 127 ? 10 : 2
      if (buffer.length < start + 4) return
      const size = short === 126 ? buffer.readUInt16BE(2) : short === 127 ? Number(buffer.readBigUInt64BE(2)) : short
      if (buffer.length < start + 4 + size) return
      const mask = buffer.subarray(start, start + 4)
      const data = Buffer.from(buffer.subarray(start + 4, start + 4 + size)).map((byte, i) => byte ^ (mask[i & 3] ?? 0))
      buffer = buffer.subarray(start + 4 + size)
      if (opcode === 8) return void socket.end()
      if (opcode !== 1) return void socket.destroy()
      const frame = JSON.parse(Buffer.from(data).toString()) as AgentFrame
      const next = waiting.shift()
      if (next === undefined) arrived.push(frame)
      else next(frame)
    }
  })
  const next = async () => arrived.shift() ?? (await new Promise<AgentFrame>((resolve) => waiting.push(resolve)))
  const sendText = (text: string) => {
    const data = Buffer.from(text)
    const head = Buffer.alloc(10)
    head[0] = 0x81
    head[1] = 127
    head.writeBigUInt64BE(BigInt(data.length), 2)
    // RFC 6455 §5.2 wants the shortest form of the length.
    if (data.length < 126) return void socket.write(Buffer.concat([Buffer.from([0x81, data.length]), data]))
    if (data.length < 65536)
      return void socket.write(Buffer.concat([Buffer.from([0x81, 126, data.length >> 8, data.length & 255]), data]))
    socket.write(Buffer.concat([head, data]))
  }
  return {
    next,
    sendText,
    closed,
    send: (frame) => sendText(JSON.stringify(frame)),
    drop: () => void socket.destroy(),
    async until<T extends AgentFrame>(wanted: (frame: AgentFrame) => frame is T) {
      for (;;) {
        const frame = await next()
        if (wanted(frame)) return frame
      }
    },
  }
}
