// The connections of this process, and what the processes tell each other about hosts: whichever of them has the
// connection acts. What is told is a hint; the rows are the truth.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { sql } from '#lib/db.ts'
import type { CloudReports, CloudWorld } from '../cloud.ts'
import { asker, type Asker } from './calls.ts'
import { greet } from './greeting.ts'
import type { Keys } from './keys.ts'
import { type Line, openLine } from './line.ts'
import { closeSession, openSession } from './model.ts'

export const connectPath = '/agent/v1/connect'
const largestFrameBytes = 16 * 1024 * 1024
const pulseMs = 2000
// Of strangers: a greeting is one small frame each way. Who waits longest gives way, for a host greets at once.
const mostGreetingBytes = 16 * 1024
const mostGreetings = 256

export interface Hub {
  /** Takes a connection over that asks to become a WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  readonly ask: Asker
  close(): Promise<void>
}

export function openHub(world: CloudWorld, reports: CloudReports, keys: Keys): Hub {
  const { db, config, log } = world
  const lines = new Map<string, Line>()
  const underway = new Set<Promise<void>>()
  const sockets = new WebSocketServer({ noServer: true, maxPayload: largestFrameBytes })
  let closing = false

  const greeting = new Set<WebSocket>()
  const greetInTurn = async (socket: WebSocket, stream: Duplex, headBytes: number) => {
    const [longest] = greeting
    if (longest && greeting.size >= mostGreetings) {
      greeting.delete(longest)
      longest.terminate()
    }
    greeting.add(socket)
    let bytes = headBytes
    // Counted on the wire: else a frame would have to be whole before it is known to be too large.
    const count = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > mostGreetingBytes) socket.terminate()
    }
    stream.on('data', count)
    try {
      return await greet(db, config.region, keys, socket)
    } finally {
      stream.off('data', count)
      greeting.delete(socket)
    }
  }
  const admit = async (socket: WebSocket, stream: Duplex, headBytes: number) => {
    socket.on('error', (error) => log.debug({ err: error }, 'connection of a host'))
    const greeted = await greetInTurn(socket, stream, headBytes)
    if (!greeted || closing) return socket.close()
    const { host, welcome } = greeted
    const session = randomUUID()
    await db.transaction((tx) => openSession(tx, host, session))
    if (socket.readyState !== socket.OPEN) return gone(host.id, session)
    const line = openLine({ db, log, reports, host, session, socket, welcome })
    lines.get(host.id)?.close('another connection speaks for the host')
    lines.set(host.id, line)
    log.info({ host: host.name, session }, 'host connected')
    await line.ended
    if (lines.get(host.id) === line) lines.delete(host.id)
    await gone(host.id, session)
  }
  const gone = (hostId: string, session: string) => db.transaction((tx) => closeSession(tx, hostId, session))
  const track = (work: Promise<unknown>, what: string) => {
    const tracked = work
      .catch((error: unknown) => log.warn({ err: error }, what))
      .then(() => void underway.delete(tracked))
    underway.add(tracked)
  }

  const ask = asker(world, (hostId) => lines.get(hostId))
  const hear = (message: string) => {
    const [verb, subject = '', more = ''] = message.split(' ')
    const line = lines.get(subject)
    if (verb === 'wish') line?.wishesChanged()
    else if (verb === 'session') {
      if (line && line.session !== more) line.close('another connection speaks for the host')
    } else if (verb === 'network')
      for (const each of lines.values()) if (each.host.name === subject) each.networkChanged()
    if (verb === 'call' && line) track(ask.answer(line, more), 'a call could not be answered')
    if (verb === 'answer') ask.answered(subject)
  }
  db.subscribe('kvm', hear, () => {
    for (const line of lines.values()) {
      line.wishesChanged()
      line.networkChanged()
    }
  })

  // One statement for all hosts that were heard from, and one report.
  const writePulses = async () => {
    const heard = [...lines.values()].flatMap((line) => {
      const taken = line.takePulse()
      return taken ? [{ id: line.host.id, session: line.session, ...taken }] : []
    })
    if (heard.length === 0) return
    await db.transaction(async (tx) => {
      const rows = await tx.rows<{ name: string }>(sql`
        update kvm_host h set last_seen = now(), pulse = coalesce(r.pulse, h.pulse)
        from jsonb_to_recordset(${JSON.stringify(heard)}::text::jsonb) r (id uuid, session uuid, pulse jsonb)
        where h.id = r.id and h.session = r.session returning h.name`)
      if (rows.length > 0)
        await reports.compute.hostsAlive(
          tx,
          config.region,
          rows.map(({ name }) => name),
        )
    })
  }
  const pulses = setInterval(() => track(writePulses(), 'heartbeats could not be written'), pulseMs)

  return {
    upgrade(request, socket, head) {
      if (closing) return void socket.destroy()
      sockets.handleUpgrade(request, socket, head, (made) =>
        track(admit(made, socket, head.length), 'a host could not connect'),
      )
    },
    ask,
    async close() {
      closing = true
      clearInterval(pulses)
      ask.close()
      for (const line of lines.values()) line.close('the server stops')
      for (const socket of sockets.clients) {
        if (socket.readyState === socket.OPEN) socket.terminate() // still at the greeting
      }
      await new Promise((closed) => sockets.close(closed))
      await Promise.all(underway)
    },
  }
}
