import { readdirSync, readFileSync } from 'node:fs'
import { connect } from '#lib/connect.ts'

const migrationsDir = new URL('../../migrations/', import.meta.url)

export interface Migration {
  name: string
  text: string
}

/** The migrations in order. Their names never change once released; their contents neither. */
export function readMigrations(): Migration[] {
  return readdirSync(migrationsDir)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .toSorted()
    .map((name) => ({ name, text: readFileSync(new URL(name, migrationsDir), 'utf8') }))
}

/**
 * Brings the database up to date, each migration in a transaction of its own, under a lock, so that many processes may
 * start at once. Returns the names of those applied.
 */
export async function migrate(url: string): Promise<string[]> {
  const client = connect(url, { max: 1 })
  try {
    await client`select pg_advisory_lock(7000)`
    await client`create table if not exists migration (name text primary key, applied_at timestamptz not null default now())`
    const done = new Set((await client<{ name: string }[]>`select name from migration`).map((row) => row.name))
    const due = readMigrations().filter(({ name }) => !done.has(name))
    for (const { name, text } of due) {
      await client.begin(async (tx) => {
        await tx.unsafe(text)
        await tx`insert into migration (name) values (${name})`
      })
    }
    return due.map(({ name }) => name)
  } finally {
    await client.end()
  }
}
