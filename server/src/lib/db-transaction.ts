// One transaction on a client of one connection.
import type { Row, Sql } from 'postgres'

/** SQL written once, its parameters beside it ($1 …): for hot paths, where building a text costs as much as running it. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}
/** What sends statements; as much of it as drizzle asks for. */
export interface Client {
  readonly options: Pick<Sql['options'], 'parsers' | 'serializers'>
  unsafe(text: string, values?: readonly unknown[]): Answer
}
export interface TransactionClient extends Client {
  savepoint<Result>(work: (inner: TransactionClient) => Promise<Result>): Promise<Result>
}
export interface Answer extends PromiseLike<Row[]> {
  values(): PromiseLike<Row[]>
}

// A statement with more parameters than this is one of many lengths (a list of ids, a row for each): not worth keeping.
const mostPreparedParameters = 48

/** A statement, prepared where it pays: that saves PostgreSQL the planning and us a round trip. */
export function say(client: Sql, text: string, values: readonly unknown[]) {
  return client.unsafe(text, values as never[], { prepare: values.length <= mostPreparedParameters })
}

/** `work` between begin and commit. `isGone`: the connection is, and nothing may be said on it any more. */
export async function transact<Result>(
  client: Sql,
  work: (inner: TransactionClient) => Promise<Result>,
  isGone: () => boolean,
): Promise<Result> {
  const begun = await inSession(client.unsafe('begin read write'))
  let result: Result
  try {
    result = await inScope(client, work, isGone, 0)
  } catch (error) {
    if (!isGone()) await client.unsafe('rollback')
    throw error
  }
  if (isGone()) throw brokenConnection()
  requireSame(begun, await inSession(client.unsafe('commit')))
  return result
}

async function inScope<Result>(
  client: Sql,
  work: (inner: TransactionClient) => Promise<Result>,
  isGone: () => boolean,
  depth: number,
): Promise<Result> {
  let failed: { because: unknown } | undefined
  const inner: TransactionClient = {
    options: client.options,
    unsafe(text, values = []) {
      if (isGone()) throw brokenConnection()
      const query = say(client, text, values)
      query.catch((because: unknown) => (failed ??= { because }))
      return query
    },
    async savepoint(nested) {
      await inner.unsafe(`savepoint s${depth}`)
      try {
        return await inScope(client, nested, isGone, depth + 1)
      } catch (error) {
        await inner.unsafe(`rollback to s${depth}`)
        throw error
      }
    },
  }
  const result = await work(inner)
  // who caught a statement's error has not made PostgreSQL forget it
  if (failed) throw failed.because
  return result
}

type Query = ReturnType<Sql['unsafe']>

// the state is the connection's, which may be another one a moment later
const answered = (query: Query) => query.then((rows) => ({ rows: rows as Row[], session: rows.state.pid }))
const inSession = async (query: Query) => (await answered(query)).session

/**
 * A connection that breaks between the last statement and its commit leaves the commit to the next connection, where there
 * is nothing to commit and PostgreSQL says that it went well.
 */
function requireSame(begun: number, ended: number): void {
  if (begun !== ended) throw brokenConnection()
}

export function brokenConnection(cause?: unknown): Error {
  return Object.assign(new Error('The connection to the database broke.', { cause }), {
    code: 'CONNECTION_CLOSED',
  })
}
