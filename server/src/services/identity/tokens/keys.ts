// The keys that tokens are sealed with: rows, so that every process and every restart has the same.
import { randomBytes } from 'node:crypto'
import { bytea, type Db, desc, eq, integer, pgTable, primaryKey, text, timestamp, type Tx } from '#lib/db.ts'
import type { TokenKey } from './sealed.ts'

const secret = pgTable(
  'secret',
  {
    name: text().notNull(),
    serial: integer().notNull(),
    value: bytea().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.name, t.serial] })],
)
const tokenKey = 'token'

/** Newest first; the first one seals, all of them open. */
export async function readTokenKeys(db: Db): Promise<TokenKey[]> {
  const rows = await db
    .select()
    .from(secret)
    .where(eq(secret.name, tokenKey))
    .orderBy(desc(secret.createdAt), desc(secret.serial))
  return rows.map(({ serial, value }) => ({ serial, key: Buffer.from(value) }))
}

/** The first key, if there is none yet. */
export async function ensureTokenKey(tx: Tx): Promise<void> {
  await tx
    .insert(secret)
    .values({ name: tokenKey, serial: 1, value: randomBytes(32) })
    .onConflictDoNothing()
}
