// The database. All access goes through here: reads need a `Db`, writes need a `Tx`, and only a transaction makes a `Tx`.
// That is held twice: by the types, and by PostgreSQL, for outside a transaction every connection is read-only, but those of
// `atOnce`.
import { type SQL, sql } from 'drizzle-orm'
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import { type Client, connect } from '#lib/connect.ts'
import { openLines } from '#lib/db-lines.ts'
import { brokenConnection, say, type Statement, type TransactionClient } from '#lib/db-transaction.ts'
import { openEars } from '#lib/ears.ts'
import type { Log } from '#lib/log.ts'

export {
  and,
  asc,
  count,
  desc,
  eq,
  exists,
  getColumns,
  gt,
  gte,
  ilike,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  lte,
  max,
  min,
  ne,
  not,
  notInArray,
  or,
  sql,
  sum,
} from 'drizzle-orm'
export type { InferSelectModel, SQL } from 'drizzle-orm'
export type { Statement } from '#lib/db-transaction.ts'
export {
  bigint,
  bigserial,
  boolean,
  bytea,
  cidr,
  doublePrecision,
  inet,
  integer,
  date,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core'
export type { PgColumn, PgTable } from 'drizzle-orm/pg-core'

type Full = PostgresJsDatabase
type Reads = Pick<Full, 'select' | 'selectDistinct' | 'selectDistinctOn' | '$count' | '$with'>
type Writes = Pick<Full, 'insert' | 'update' | 'delete'>

/** What reads. A transaction is one too. */
export interface Db extends Reads {
  /** Rows of a query written by hand; column names as the query says. For reads that the builder cannot say. */
  rows<Row extends object>(query: SQL): Promise<Row[]>
  /**
   * Runs `work` in one transaction (a savepoint inside another one) and commits when it returns. A deadlock or a
   * serialisation failure runs it again, so `work` may touch nothing but the transaction.
   */
  transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>
}

/** What writes. */
export interface Tx extends Db, Writes {
  readonly writes: true
  run<Row extends object>(statement: Statement): Promise<Row[]>
  /** Called once, after the whole transaction has been committed; never when it was not. */
  afterCommit(then: () => void): void
  /**
   * Database.publish for what must not be missed by an instant: the others are told by the commit itself, and this
   * process has heard it before the transaction returns.
   */
  publish(topic: string, message: string): Promise<void>
}

export interface Database extends Db {
  /**
   * One statement that may write, a transaction of its own and one round trip. A deadlock or a serialisation failure runs it
   * again.
   */
  atOnce<Row extends object>(statement: Statement): Promise<Row[]>
  /** Tells every process (this one too) that something happened; they may miss it, so it is only ever a hint. */
  publish(topic: string, message: string): void
  /**
   * `heard` for each published message of the topic; `lost` when it begins to hear and messages may have been missed, `deaf`
   * within a second of a connection that does not bring them any more, until `lost` is called again.
   */
  subscribe(topic: string, heard: (message: string) => void, lost?: () => void, deaf?: () => void): void
  /** One connection of its own, for session locks, which are gone when it breaks: then `lost` is called, once. */
  openSession(lost: () => void): Promise<Session>
  ping(): Promise<void>
  close(): Promise<void>
}

export interface Session {
  /** One statement, each a transaction of its own; it may write. */
  rows<Row extends object>(query: SQL): Promise<Row[]>
  release(): void
}

interface Subscriber {
  heard: (message: string) => void
  lost: (() => void) | undefined
  deaf: (() => void) | undefined
}

// drizzle keeps the client of a transaction
const clientOf = (inner: Full) => (inner as unknown as { session: { client: TransactionClient } }).session.client

// connections for statements that write by themselves, which so do not wait behind transactions
const mostQuick = 4
/** Of a statement by itself a broken socket can only be the database's. */
function asBroken(error: unknown): unknown {
  const { code } = error as { code?: unknown }
  return code === 'EPIPE' || code === 'ECONNRESET' ? brokenConnection(error) : error
}

const again = new Set(['40001', '40P01']) // serialization_failure, deadlock_detected

export function openDatabase(url: string, log: Log, given: { connections?: number } = {}): Database {
  const { connections = 8 } = given
  const one = (isReadOnly: boolean) => (onclose: () => void) =>
    connect(url, {
      ...{ max: 1, idle_timeout: 60, connect_timeout: 10, onclose },
      connection: {
        application_name: 'pileus',
        default_transaction_read_only: isReadOnly,
        idle_in_transaction_session_timeout: 60_000,
      },
    })
  const lines = openLines(one(true), connections, { together: 4 })
  const reads = drizzle({ client: lines as unknown as Client, jit: true }) as Full
  const topics = new Map<string, Subscriber[]>()
  const everyone = () => [...topics.values()].flat()
  let hears = false
  let ears: ReturnType<typeof openEars> | undefined

  const rowsOn = (on: Full) => async (query: SQL) => (await on.execute(query)) as never

  const isRepeatable = (error: unknown, attempt: number): boolean => {
    const code = sqlState(error)
    if (!code || !again.has(code) || attempt === 5) return false
    log.debug({ code, attempt }, 'transaction again')
    return true
  }
  const quick = openLines(one(false), mostQuick, { together: 1 })
  const atOnce = async ({ text, values }: Statement) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await quick.unsafe(text, values)
      } catch (error) {
        if (!isRepeatable(error, attempt)) throw asBroken(error)
      }
    }
  }
  const begin = async <Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> => {
    for (let attempt = 1; ; attempt++) {
      const afterwards: (() => void)[] = []
      try {
        const result = await reads.transaction((inner) => work(asTx(inner as unknown as Full, afterwards)))
        for (const then of afterwards) then()
        return result
      } catch (error) {
        if (!isRepeatable(error, attempt)) throw asBroken(error)
      }
    }
  }
  const asTx = (inner: Full, afterwards: (() => void)[]): Tx =>
    Object.assign(Object.create(inner) as Full, {
      writes: true as const,
      rows: rowsOn(inner),
      run: async ({ text, values }: Statement) => (await clientOf(inner).unsafe(text, values)) as never,
      afterCommit: (then: () => void) => void afterwards.push(then),
      async publish(topic: string, message: string) {
        await inner.execute(sql`select pg_notify('pileus', ${`${topic} ${message}`})`)
        afterwards.push(() => tell(`${topic} ${message}`))
      },
      async transaction<Result>(work: (tx: Tx) => Promise<Result>) {
        const ofNested: (() => void)[] = []
        const result = await inner.transaction((nested) => work(asTx(nested as unknown as Full, ofNested)))
        afterwards.push(...ofNested)
        return result
      },
    }) as unknown as Tx

  const tell = (payload: string) => {
    const blank = payload.indexOf(' ')
    for (const { heard } of topics.get(payload.slice(0, blank)) ?? []) heard(payload.slice(blank + 1))
  }
  const listen = () => {
    ears ??= openEars(url, log, {
      heard: tell,
      hears() {
        hears = true
        for (const { lost } of everyone()) lost?.()
      },
      deaf() {
        hears = false
        for (const { deaf } of everyone()) deaf?.()
      },
    })
  }

  // Messages of one tick leave as one statement: a busy process says little more than an idle one.
  let outbox: string[] = []
  const flush = () => {
    const messages = [...new Set(outbox)]
    outbox = []
    lines
      .unsafe("select pg_notify('pileus', m) from unnest($1::text[]) m", [messages])
      .then(undefined, (error: unknown) => log.warn({ err: error }, 'cannot notify'))
  }

  return Object.assign(Object.create(reads) as Full, {
    rows: rowsOn(reads),
    transaction: begin,
    atOnce,
    publish(topic: string, message: string) {
      if (outbox.push(`${topic} ${message}`) === 1) setImmediate(flush)
    },
    subscribe(topic: string, heard: Subscriber['heard'], lost?: () => void, deaf?: () => void) {
      topics.set(topic, [...(topics.get(topic) ?? []), { heard, lost, deaf }])
      listen()
      if (hears) lost?.()
    },
    async openSession(lost: () => void): Promise<Session> {
      let over = false
      const end = () => {
        if (over) return
        over = true
        void own.end({ timeout: 1 })
        lost()
      }
      const own = connect(url, {
        max: 1,
        idle_timeout: 0,
        connection: { application_name: `pileus-worker-${process.pid}` },
        onclose: end,
      })
      const client = { options: own.options, unsafe: (text: string, values: unknown[] = []) => say(own, text, values) }
      return {
        rows: rowsOn(drizzle({ client: client as unknown as Client, jit: true }) as Full),
        release: end,
      }
    },
    async ping() {
      await lines.unsafe('select 1')
    },
    async close() {
      await ears?.close()
      await Promise.all([lines.close(), quick.close()])
    },
  }) as unknown as Database
}

/** PostgreSQL's error code, however deeply wrapped. */
export function sqlState(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    const code = (e as { code?: unknown }).code
    if (typeof code === 'string' && /^[0-9][0-9A-Z]{4}$/.test(code)) return code
  }
  return undefined
}

const awayCodes = new Set([
  ...['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'],
  ...['57P01', '57P02', '57P03', '08000', '08003', '08006', '53300'],
])

/** True when the database could not be reached, or went away under a query. */
export function isDatabaseAway(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code, syscall } = e as { code?: unknown; syscall?: unknown }
    // a socket that breaks under a query comes as the cause of the query's error; by itself it is somebody else's socket
    const isBroken = e !== error && (code === 'ECONNRESET' || code === 'EPIPE')
    if (syscall === 'connect' || isBroken || (typeof code === 'string' && awayCodes.has(code))) return true
  }
  return false
}

/** True for a violated unique index (23505), or only that of the constraint named. */
export function isDuplicate(error: unknown, constraint?: string): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code, constraint_name: name } = e as { code?: unknown; constraint_name?: unknown }
    if (code === '23505') return constraint === undefined || name === constraint
  }
  return false
}

/** Statements built once for each database (`.prepare`): for hot paths, where building one costs as much as running it. */
export function perDatabase<Made>(make: (db: Db) => Made): (db: Db) => Made {
  const kept = new WeakMap<Db, Made>()
  return (db) => {
    let made = kept.get(db)
    if (made === undefined) kept.set(db, (made = make(db)))
    return made
  }
}

/** One row or undefined. */
export function first<Row>(rows: Row[]): Row | undefined {
  return rows[0]
}

/** A time as the database gives it ('2026-11-21 02:33:16.123+00') in ISO 8601, seconds, Z. */
export function isoSeconds(time: Date | string): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`
}
