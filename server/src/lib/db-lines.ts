// The connections to PostgreSQL, each a client of its own that is thrown away when its connection breaks. For a client of
// postgres.js whose connection broke may never send again (what it was about to write counts as under way for ever), and one
// that is told to roll back on a connection that is gone takes the process with it.
//
// A line is taken by one transaction, or shared by statements that are transactions of their own.
import type { Row, Sql } from 'postgres'
import {
  type Answer,
  brokenConnection,
  type Client,
  say,
  transact,
  type TransactionClient,
} from '#lib/db-transaction.ts'

export interface Lines extends Client {
  /** `work` in one transaction, committed when it returns. */
  begin<Result>(work: (inner: TransactionClient) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

interface Line {
  readonly client: Sql
  readonly madeAt: number
  /** When it last answered, or was told something while it was idle. */
  usedAt: number
  /** By a transaction: nobody else says anything on it. */
  isTaken: boolean
  isBroken: boolean
  /** Tells the transaction that its connection is gone. */
  cut?: ((because: Error) => void) | undefined
  /** Answers that are not there yet. */
  waiting: number
}

// each connection holds some 5 MB of the database's memory
const idleMs = 20_000
// the database keeps what a connection has prepared; a new one begins with none
const lifetimeMs = 3_600_000
const pruneEveryMs = 5000

// a line that has not answered for so long is at something slow: nobody is to wait behind that
const briskMs = 2

/**
 * At most `most` connections; `connectOne` makes one, and says when it is closed. `together`: so many statements wait for one
 * connection, while it answers in no time, before another one is asked. To wake a process costs both sides more than to ask it
 * something small; but commits on several connections share one fsync.
 */
export function openLines(
  connectOne: (onclose: () => void) => Sql,
  most: number,
  { together }: { together: number },
): Lines {
  const lines = new Set<Line>()
  const waiting: ((line: Line) => void)[] = []
  const options: Client['options'] = { parsers: {}, serializers: {} }

  const open = (): Line => {
    const now = performance.now()
    const client = connectOne(() => {
      line.isBroken = true
      discard(line)
      line.cut?.(brokenConnection())
    })
    Object.assign(client.options.parsers, options.parsers)
    Object.assign(client.options.serializers, options.serializers)
    const line: Line = { client, madeAt: now, usedAt: now, isTaken: false, isBroken: false, waiting: 0 }
    lines.add(line)
    return line
  }
  const discard = (line: Line) => {
    // what waits behind the first answer may still find another connection
    if (lines.delete(line)) void line.client.end({ timeout: 1 })
  }
  /** One that is nobody's; undefined while all are taken. */
  const idlest = (): Line | undefined => {
    let best: Line | undefined
    for (const line of lines) {
      if (line.isTaken) continue
      if (line.waiting === 0) return line
      if (!best || line.waiting < best.waiting) best = line
    }
    return lines.size < most ? open() : best
  }
  /** One that is at work and quick about it, else the idlest; undefined while all are taken. */
  const briskest = (): Line | undefined => {
    const since = performance.now() - briskMs
    for (const line of lines)
      if (!line.isTaken && line.waiting > 0 && line.waiting < together && line.usedAt > since) return line
    return idlest()
  }
  const take = async (): Promise<Line> => {
    const line = idlest() ?? (await new Promise<Line>((taken) => waiting.push(taken)))
    line.isTaken = true
    return line
  }
  const isOver = (line: Line) => line.isBroken || performance.now() - line.madeAt > lifetimeMs
  const release = (line: Line) => {
    line.usedAt = performance.now()
    if (isOver(line)) discard(line)
    const next = waiting.shift()
    if (next) next(lines.has(line) ? line : open())
    else line.isTaken = false
  }
  const share = <Ended extends PromiseLike<unknown>>(line: Line, ended: Ended): Ended => {
    if (line.waiting++ === 0) line.usedAt = performance.now()
    const over = () => {
      line.waiting--
      line.usedAt = performance.now()
      if (line.waiting === 0 && !line.isTaken && isOver(line)) discard(line)
    }
    ended.then(over, over)
    return ended
  }
  /** Shares the first line that a transaction leaves. */
  const shareLater = async <Result>(send: (client: Sql) => PromiseLike<Result>): Promise<Result> => {
    const line = await take()
    const ended = share(line, send(line.client))
    release(line)
    return ended
  }
  const prune = setInterval(() => {
    const longAgo = performance.now() - idleMs
    for (const line of lines) if (!line.isTaken && line.waiting === 0 && line.usedAt < longAgo) discard(line)
  }, pruneEveryMs)
  prune.unref()

  return {
    options,
    unsafe(text, values = []): Answer {
      const line = briskest()
      if (line) return share(line, say(line.client, text, values))
      const whole = () => shareLater(async (client) => (await say(client, text, values)) as Row[])
      return {
        then: (done, failed) => whole().then(done, failed), // oxlint-disable-line unicorn/no-thenable -- as a query of postgres.js
        values: () => shareLater((client) => say(client, text, values).values() as PromiseLike<Row[]>),
      }
    },
    async begin(work) {
      const line = await take()
      try {
        const gone = new Promise<never>((_, cut) => (line.cut = cut))
        return await Promise.race([transact(line.client, work, () => line.isBroken), gone])
      } finally {
        line.cut = undefined
        release(line)
      }
    },
    async close() {
      clearInterval(prune)
      await Promise.all([...lines].map(({ client }) => client.end({ timeout: 5 })))
    },
  }
}
