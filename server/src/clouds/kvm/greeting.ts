// The first three frames of a connection, in which both ends prove who they are. Until then nothing else is listened to.
import { randomBytes } from 'node:crypto'
import { helloText, protocolVersion, type Welcome, welcomeText } from '@pileus/contract/agent.ts'
import type { RawData, WebSocket } from 'ws'
import type { Db } from '#lib/db.ts'
import { isUuid } from '#lib/id.ts'
import { BadFrame, parseFrame } from './frames.ts'
import { isSignedBy, type Keys } from './keys.ts'
import { findHost, type KvmHost, leaseSeconds } from './model.ts'

const greetingMs = 10_000

/** The host at the other end, and the welcome to send once its session is open; undefined when it proved nothing. */
export async function greet(
  db: Db,
  region: string,
  keys: Keys,
  socket: WebSocket,
): Promise<{ host: KvmHost; welcome: Welcome } | undefined> {
  const nonce = randomBytes(32).toString('base64url')
  const heard = firstFrame(socket)
  socket.send(JSON.stringify({ type: 'challenge', nonce }))
  const first = await heard
  if (!first) return refuse(socket, 'no greeting')
  let hello: ReturnType<typeof parseFrame>
  try {
    hello = parseFrame(first.data, first.isBinary)
  } catch (error) {
    if (!(error instanceof BadFrame)) throw error
    return refuse(socket, error.message)
  }
  if (hello.type !== 'hello') return refuse(socket, 'a greeting was expected')
  if (hello.protocol !== protocolVersion)
    return refuse(socket, `this server speaks version ${protocolVersion} of the protocol`)
  const host = isUuid(hello.hostId) ? await findHost(db, region, hello.hostId) : undefined
  // one answer for both: a stranger does not learn which hosts there are
  if (!host || !isSignedBy(host.publicKey, helloText(hello.hostId, nonce, hello.nonce), hello.signature))
    return refuse(socket, 'unknown host, or not its signature')
  const signature = keys.sign(welcomeText(host.id, hello.nonce, nonce))
  return { host, welcome: { type: 'welcome', signature, leaseSeconds } }
}

function refuse(socket: WebSocket, why: string): undefined {
  socket.resume() // else the other end's goodbye would not be heard
  socket.close(1008, why.slice(0, 120))
  return undefined
}

async function firstFrame(socket: WebSocket): Promise<{ data: RawData; isBinary: boolean } | undefined> {
  return new Promise((resolve) => {
    const end = (frame?: { data: RawData; isBinary: boolean }) => {
      clearTimeout(timer)
      socket.off('message', message).off('close', closed)
      resolve(frame)
    }
    const message = (data: RawData, isBinary: boolean) => {
      socket.pause() // what follows is for whoever takes the connection over
      end({ data, isBinary })
    }
    const closed = () => end()
    const timer = setTimeout(closed, greetingMs)
    socket.on('message', message).on('close', closed)
  })
}
