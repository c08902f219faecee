// One connection to one host, after the greeting: sends what is wished, takes what is reported, asks questions.
import type { AgentFrame, DesiredObject, ServerFrame, Welcome } from '@pileus/contract/agent.ts'
import type { RawData, WebSocket } from 'ws'
import { type Database, sql } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import type { Log } from '#lib/log.ts'
import type { CloudReports } from '../cloud.ts'
import { BadFrame, parseFrame } from './frames.ts'
import { holdSession, type KvmHost, leaseSeconds, type Pulse } from './model.ts'
import { networkHash, putNetwork } from './network.ts'
import { Replaced, takeReport } from './reports.ts'
import { soon } from './soon.ts'
import { findNetworkHash, readWishes } from './wishes.ts'

export interface Line {
  readonly host: KvmHost
  readonly session: string
  /** The last heartbeat that nobody has written down yet. */
  takePulse(): { pulse: Pulse | null } | undefined
  /** Hints: what the host should make true may have changed. */
  wishesChanged(): void
  networkChanged(): void
  /** Asks the agent. Throws unavailable when it does not answer, or with the sentence that it answers. */
  ask(method: string, params: unknown, timeoutMs: number): Promise<unknown>
  close(why: string): void
  /** When the connection has ended and nothing of it is under way. */
  readonly ended: Promise<void>
}

export interface LineOptions {
  db: Database
  log: Log
  reports: CloudReports
  host: KvmHost
  session: string
  socket: WebSocket
  welcome: Welcome
}

const sendEveryMs = 10
const compileEveryMs = 100
// Looked at even when no hint came: hints may be lost.
const recheckMs = 10_000
const pingMs = (leaseSeconds * 1000) / 3
// A reader that is so far behind is dead or hopeless; it gets everything anew when it comes back.
const mostBufferedBytes = 64 * 1024 * 1024
const mostWaitingFrames = 50

export function openLine(options: LineOptions): Line {
  const { db, reports, host, session, socket } = options
  const log = options.log.child({ host: host.name, session })
  const sent = new Map<string, number>()
  const answers = new Map<number, { answered: (value: unknown) => void; failed: (error: Fault) => void }>()
  let newest = 0
  let complete = false
  let begun = false
  let missed = false
  let lastHash: string | undefined
  let lastCall = 0
  let heardAtMs = Date.now()
  let pulse: { pulse: Pulse | null } | undefined
  let over = false
  let taking = Promise.resolve()
  let waiting = 0
  let finish: () => void = () => {}
  const ended = new Promise<void>((resolve) => (finish = resolve))

  const close = (why: string) => {
    if (over) return
    over = true
    log.info({ why }, 'connection of a host ends')
    socket.resume() // else the other end's goodbye would not be heard
    socket.close(1000, why.slice(0, 120))
    const timer = setTimeout(() => socket.terminate(), 2000)
    timer.unref()
    void end()
  }
  const end = async () => {
    clearInterval(pings)
    clearInterval(rechecks)
    for (const { failed } of answers.values()) failed(away(host.name))
    answers.clear()
    await Promise.all([sending.stop(), compiling.stop(), taking])
    finish()
  }
  const trouble = (what: string) => (error: unknown) => {
    if (error instanceof Replaced) return close('another connection speaks for the host')
    // Nothing is lost: after the reconnect all is sent and reported again.
    log.warn({ err: error }, what)
    close(what)
  }
  const send = (frame: ServerFrame | Welcome) => {
    if (over) return
    if (socket.bufferedAmount > mostBufferedBytes) return close('the host reads too slowly')
    socket.send(JSON.stringify(frame))
  }

  const sendWishes = async () => {
    const rows = await readWishes(db, host.id, complete ? newest : 0)
    const fresh = rows.filter(({ kind, id, generation }) => sent.get(`${kind}/${id}`) !== generation)
    if (complete && fresh.length === 0) return
    for (const { kind, id, generation } of fresh) {
      sent.set(`${kind}/${id}`, generation)
      newest = Math.max(newest, generation)
    }
    // the rows were written from these very types
    const objects = fresh as DesiredObject[]
    send({ type: 'desired', complete: !complete, objects })
    complete = true
  }
  const compileNetwork = async () => {
    const document = await reports.network.describeHost(db, host.region, host.name)
    const hash = networkHash(document)
    lastHash ??= await findNetworkHash(db, host.id)
    if (hash === lastHash) return
    await db.transaction(async (tx) => {
      if (!(await holdSession(tx, host.id, session))) throw new Replaced()
      await putNetwork(tx, host, document, hash)
    })
    lastHash = hash
    if (begun) sending()
  }
  const sending = soon(sendEveryMs, sendWishes, trouble('the wishes could not be sent'))
  const describing = (error: unknown) => {
    if (error instanceof Replaced) close('another connection speaks for the host')
    else log.warn({ err: error }, 'the network of a host could not be described')
  }
  const compiling = soon(compileEveryMs, compileNetwork, describing)

  const take = async (frame: AgentFrame) => {
    switch (frame.type) {
      case 'facts': {
        // a host speaks for itself only, whatever name it says
        const facts = { ...frame.facts, name: host.name }
        await db.transaction(async (tx) => {
          if (!(await holdSession(tx, host.id, session))) throw new Replaced()
          await tx.rows(sql`update kvm_host set facts = ${JSON.stringify(facts)}::text::jsonb where id = ${host.id}`)
          await reports.compute.hostsSeen(tx, host.region, [facts])
        })
        return
      }
      case 'report': {
        const source = { db, log, reports, region: host.region, host, session }
        await takeReport(source, frame.objects, frame.complete ? { sent } : undefined)
        return
      }
      case 'heartbeat': {
        const { load, freeMemoryMb, freeDiskGb } = frame
        pulse = { pulse: { load, freeMemoryMb, freeDiskGb } }
        return
      }
      case 'result': {
        const waiter = answers.get(frame.id)
        answers.delete(frame.id)
        if (frame.error === undefined) waiter?.answered(frame.value)
        else waiter?.failed(new Fault('unavailable', frame.error))
      }
    }
  }
  const message = (data: RawData, isBinary: boolean) => {
    if (over) return
    heardAtMs = Date.now()
    pulse ??= { pulse: null }
    let frame: ReturnType<typeof parseFrame>
    try {
      frame = parseFrame(data, isBinary)
    } catch (error) {
      if (!(error instanceof BadFrame)) throw error
      log.warn({ why: error.message }, 'refused a frame of a host')
      return
    }
    if (frame.type === 'hello') return close('a second greeting')
    const known = frame
    if (++waiting > mostWaitingFrames) socket.pause()
    taking = taking
      .then(() => (over ? undefined : take(known)))
      .catch(trouble('a report could not be taken over'))
      .finally(() => {
        if (--waiting === 0 && socket.isPaused) socket.resume()
      })
  }

  const pings = setInterval(() => {
    if (Date.now() - heardAtMs > leaseSeconds * 1000) {
      socket.terminate()
      close('the host is silent')
    } else socket.ping()
  }, pingMs)
  const rechecks = setInterval(() => {
    if (!begun) return
    compiling()
    sending()
  }, recheckMs)
  socket.on('message', message)
  socket.on('pong', () => (heardAtMs = Date.now()))
  socket.on('close', () => close('the host has closed it'))
  send(options.welcome)
  socket.resume()
  // The document first, so that the complete list of wishes has it.
  taking = compileNetwork()
    .catch(describing)
    .then(() => {
      begun = true
      sending()
      if (missed) compiling()
    })

  return {
    host,
    session,
    takePulse() {
      const taken = pulse
      pulse = undefined
      return taken
    },
    wishesChanged() {
      if (begun) sending()
    },
    networkChanged() {
      if (begun) compiling()
      else missed = true
    },
    async ask(method, params, timeoutMs) {
      const id = ++lastCall
      return new Promise<unknown>((resolve, reject) => {
        const timer = setTimeout(() => {
          answers.delete(id)
          reject(new Fault('unavailable', `The host ${host.name} did not answer in time.`))
        }, timeoutMs)
        answers.set(id, {
          answered: (value) => (clearTimeout(timer), resolve(value)),
          failed: (error) => (clearTimeout(timer), reject(error)),
        })
        if (over) answers.get(id)?.failed(away(host.name))
        else send({ type: 'call', id, method, params })
      })
    },
    close,
    ended,
  }
}

export function away(host: string): Fault {
  return new Fault('unavailable', `The host ${host} is not connected.`)
}
