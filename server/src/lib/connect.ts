// The way to PostgreSQL: one client on a URL. Everything but `lib/db.ts` and `lib/ears.ts` takes a Database.
import postgres from 'postgres'
import { arrayTypes } from '#lib/db-arrays.ts'

export type Client = postgres.Sql

/** postgres.js on a URL; `?host=/directory` means a unix socket. */
export function connect(url: string, options: postgres.Options<Record<string, postgres.PostgresType>> = {}): Client {
  const parsed = new URL(url)
  const socketDir = parsed.searchParams.get('host')
  parsed.searchParams.delete('host')
  const where = socketDir
    ? {
        host: socketDir,
        port: Number(parsed.port || 5432),
        database: decodeURIComponent(parsed.pathname.slice(1)),
        username: decodeURIComponent(parsed.username),
        password: decodeURIComponent(parsed.password),
      }
    : {}
  const all = {
    ...where,
    onnotice: () => {},
    backoff: () => 0.2, // a database that comes back is to be found at once
    // its timer may outlive the connection, and then keeps a process for up to an hour that has nothing to do any more
    max_lifetime: null,
    fetch_types: false,
    types: arrayTypes,
    ...options,
  }
  return socketDir ? postgres(all) : postgres(parsed.href, all)
}
