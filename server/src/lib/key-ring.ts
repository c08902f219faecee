// Keys of the cloud itself: rows, so that every process and every restart has the same. Serials run from 1 to 255 and
// begin again; the newest seals, all that are left open.
import { randomBytes } from 'node:crypto'
import { and, bytea, type Db, desc, eq, integer, pgTable, primaryKey, sql, text, timestamp, type Tx } from '#lib/db.ts'
import { conflict } from '#lib/fault.ts'

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

export type KeyName = 'token' | 'credential' | 'object'
export interface Key {
  serial: number // 1..255
  key: Buffer // 32 bytes
}

/** Newest first. */
export async function readKeys(db: Db, name: KeyName): Promise<Key[]> {
  const rows = await db.select().from(secret).where(eq(secret.name, name)).orderBy(desc(secret.createdAt))
  return rows.map(({ serial, value }) => ({ serial, key: Buffer.from(value) }))
}

/** The first key, if there is none yet. */
export async function ensureKey(tx: Tx, name: KeyName): Promise<void> {
  const [known] = await tx.select({ serial: secret.serial }).from(secret).where(eq(secret.name, name)).limit(1)
  if (known) return
  await tx
    .insert(secret)
    .values({ name, serial: 1, value: randomBytes(32) })
    .onConflictDoNothing()
}

/** A new key to seal with. Throws conflict when all serials are in use. */
export async function addKey(tx: Tx, name: KeyName): Promise<number> {
  const rows = await lockKeys(tx, name)
  const used = new Set(rows.map(({ serial }) => serial))
  if (used.size >= 255) conflict('The keys were changed too often: wait until the oldest are no longer needed.')
  let serial = ((rows[0]?.serial ?? 0) % 255) + 1
  while (used.has(serial)) serial = (serial % 255) + 1
  // the database's clock, which all processes share; that of the transaction would be too early for one that has waited
  await tx.insert(secret).values({ name, serial, value: randomBytes(32), createdAt: sql`clock_timestamp()` })
  return serial
}

/** Removes the keys that have not sealed anything for `keepMs`. */
export async function dropOldKeys(tx: Tx, name: KeyName, keepMs: number): Promise<void> {
  const rows = await lockKeys(tx, name)
  for (const [i, row] of rows.entries()) {
    // a key's last work was done when its successor came
    const successor = rows[i - 1]
    if (successor && successor.createdAt.getTime() < Date.now() - keepMs)
      await tx.delete(secret).where(and(eq(secret.name, name), eq(secret.serial, row.serial)))
  }
}

/** The keys, newest first, which nobody else changes before this transaction ends. */
async function lockKeys(tx: Tx, name: KeyName): Promise<{ serial: number; createdAt: Date }[]> {
  // a lock on the rows would not hold off another's new one
  await tx.rows(sql`lock table ${secret} in share row exclusive mode`)
  return tx
    .select({ serial: secret.serial, createdAt: secret.createdAt })
    .from(secret)
    .where(eq(secret.name, name))
    .orderBy(desc(secret.createdAt))
}
