// The line to the control plane: dial, greet, obey, report; and dial again, for ever.
import { randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  type AgentFrame,
  helloText,
  type HostFacts,
  protocolVersion,
  type ReportedObject,
  type ServerFrame,
  welcomeText,
} from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { answer, type Answers, CallError } from './calls.ts'
import { BadFrame, type Incoming, parseFrame } from './frames.ts'
import { isSignedBy, type Membership, signText } from './keys.ts'

type Desired = Extract<ServerFrame, { type: 'desired' }>
type Heartbeat = Extract<AgentFrame, { type: 'heartbeat' }>

export interface ConnectionOptions {
  membership: Membership
  key: KeyObject
  facts: HostFacts
  answers: Answers
  /** Takes wishes over; when it has resolved they are kept. */
  obey(desired: Desired): Promise<void>
  /** Everything there is, for the complete report after each complete `desired`. */
  reportAll(): ReportedObject[]
  pulse(): Promise<Omit<Heartbeat, 'type'>>
  log: Logger
}

export interface Connection {
  /** Says what changed; dropped while there is no line, since everything is reported again after each greeting. */
  report(objects: ReportedObject[]): void
  close(): Promise<void>
}

const firstDelayMs = 200
const longestDelayMs = 5000
const longestPulseMs = 5000
const greetingMs = 10_000
// After so long without a word from the server the agent looks whether it is still there.
const silenceMs = 30_000

/** Dials at once and keeps the line up until `close`. */
export function connect(options: ConnectionOptions): Connection {
  const { log } = options
  let line: Line | undefined
  let closing = false
  let delayMs = firstDelayMs
  let retry: NodeJS.Timeout | undefined
  let trouble: string | undefined // said once, until the wishes of a server were taken over
  let ended = Promise.resolve()

  const dial = () => {
    let finish = () => {}
    ended = new Promise((resolve) => (finish = resolve))
    line = openLine(options, {
      greeted: () => {
        const { server } = options.membership
        log[trouble === undefined ? 'info' : 'debug']({ server }, 'connected')
      },
      // A greeting alone proves little: a host that cannot keep its wishes is greeted each time.
      obeyed: () => {
        if (trouble !== undefined) log.info('the server is heard and obeyed again')
        trouble = undefined
        delayMs = firstDelayMs
      },
      ended: (why, cause) => {
        finish()
        line = undefined
        if (closing) return
        // Half of the delay is chance: hosts that lost the server together do not come back together.
        const waitMs = delayMs / 2 + (Math.random() * delayMs) / 2
        const level = trouble === why ? 'debug' : cause === undefined ? 'warn' : 'error'
        log[level]({ why, err: cause, waitMs: Math.round(waitMs) }, 'no connection to the server')
        trouble = why
        delayMs = Math.min(delayMs * 2, longestDelayMs)
        retry = setTimeout(dial, waitMs)
      },
    })
  }
  dial()
  return {
    report: (objects) => line?.report(objects),
    async close() {
      closing = true
      clearTimeout(retry)
      line?.close('the agent stops')
      await ended
    },
  }
}

interface Line {
  report(objects: ReportedObject[]): void
  close(why: string): void
}

interface LineEvents {
  greeted(): void
  /** A complete list of wishes was taken over. */
  obeyed(): void
  ended(why: string, cause?: unknown): void
}

function openLine(options: ConnectionOptions, on: LineEvents): Line {
  const { membership, key, facts, answers, log } = options
  const { hostId, serverKey } = membership
  const socket = new WebSocket(`${membership.server.replace(/^http/, 'ws')}/agent/v1/connect`)
  const ownNonce = randomBytes(32).toString('base64url')
  let serverNonce: string | undefined
  let greeted = false
  let over = false
  let heardAt = Date.now()
  let pulse: NodeJS.Timeout | undefined
  const greeting = setTimeout(() => end('the server does not finish the greeting'), greetingMs)
  // One frame is obeyed after the other, in the order of their arrival.
  let obeying = Promise.resolve()

  const end = (why: string, cause?: unknown) => {
    if (over) return
    over = true
    clearTimeout(greeting)
    clearInterval(pulse)
    socket.close()
    on.ended(why, cause)
  }
  const send = (frame: AgentFrame) => {
    if (!over && greeted && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
  }
  const beat = async () => {
    send({ type: 'heartbeat', ...(await options.pulse()) })
    if (Date.now() - heardAt > silenceMs && !(await isThere(membership.server))) end('the server is silent')
  }

  const take = (frame: Incoming) => {
    if (frame.type === 'challenge') {
      if (serverNonce !== undefined) throw new BadFrame('A second challenge.')
      serverNonce = frame.nonce
      const signature = signText(key, helloText(hostId, serverNonce, ownNonce))
      socket.send(JSON.stringify({ type: 'hello', protocol: protocolVersion, hostId, nonce: ownNonce, signature }))
    } else if (frame.type === 'welcome') {
      if (serverNonce === undefined || greeted) throw new BadFrame('A welcome out of turn.')
      if (!isSignedBy(serverKey, welcomeText(hostId, ownNonce, serverNonce), frame.signature)) {
        log.error({ server: membership.server }, 'the server cannot prove that it is the one this host joined')
        return end('the server is not the one this host joined')
      }
      greeted = true
      clearTimeout(greeting)
      on.greeted()
      send({ type: 'facts', facts })
      const everyMs = Math.min(longestPulseMs, (frame.leaseSeconds * 1000) / 3)
      pulse = setInterval(() => {
        beat().catch((error: unknown) => log.error({ err: error }, 'no heartbeat'))
      }, everyMs)
    } else if (!greeted) {
      // Whoever has not proved who it is gives no orders.
      throw new BadFrame(`A ${frame.type} before the greeting.`)
    } else if (frame.type === 'call') {
      void reply(frame.id, frame.method, frame.params)
    } else {
      obeying = obeying.then(async () => {
        try {
          await options.obey(frame)
          if (!frame.complete) return
          on.obeyed()
          send({ type: 'report', complete: true, objects: options.reportAll() })
        } catch (error) {
          end('the wishes could not be taken over', error)
        }
      })
    }
  }
  const reply = async (id: number, method: string, params: unknown) => {
    try {
      send({ type: 'result', id, value: await answer(answers, method, params) })
    } catch (error) {
      if (!(error instanceof CallError)) log.error({ err: error, method }, 'a call failed')
      send({ type: 'result', id, error: error instanceof Error ? error.message : String(error) })
    }
  }

  socket.addEventListener('message', (event) => {
    heardAt = Date.now()
    if (over) return
    try {
      take(parseFrame(event.data))
    } catch (error) {
      if (!(error instanceof BadFrame)) throw error
      log.error({ why: error.message }, 'refused a frame')
    }
  })
  socket.addEventListener('error', () => end('the connection failed'))
  socket.addEventListener('close', (event) => end(event.reason || `the connection was closed (${event.code})`))
  return { report: (objects) => send({ type: 'report', complete: false, objects }), close: (why) => end(why) }
}

/** Whether anything answers there: tells a server that has nothing to say from one that lost its power. */
async function isThere(server: string): Promise<boolean> {
  try {
    const response = await fetch(`${server}/healthz`, { signal: AbortSignal.timeout(10_000) })
    await response.body?.cancel()
    return true
  } catch {
    return false
  }
}
