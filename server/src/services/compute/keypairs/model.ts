import { and, count, type Db, eq, integer, isDuplicate, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'

export const keypair = pgTable('keypair', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  region: text().notNull(),
  userId: text('user_id').notNull(),
  name: text().notNull(),
  type: text({ enum: ['ssh', 'x509'] }).notNull(),
  publicKey: text('public_key').notNull(),
  fingerprint: text().notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type Keypair = typeof keypair.$inferSelect
export type NewKeypair = Omit<Keypair, 'id' | 'createdAt'>

export async function findKeypair(db: Db, region: string, userId: string, name: string): Promise<Keypair | undefined> {
  const [found] = await db
    .select()
    .from(keypair)
    .where(and(eq(keypair.region, region), eq(keypair.userId, userId), eq(keypair.name, name)))
  return found
}
export async function getKeypair(db: Db, region: string, userId: string, name: string): Promise<Keypair> {
  return (await findKeypair(db, region, userId, name)) ?? notFound('Keypair', name)
}
export async function insertKeypair(tx: Tx, spec: NewKeypair): Promise<Keypair> {
  try {
    const [row] = await tx.insert(keypair).values(spec).returning()
    return row!
  } catch (error) {
    if (isDuplicate(error)) conflict(`Key pair '${spec.name}' already exists.`)
    throw error
  }
}
export async function deleteKeypair(tx: Tx, region: string, userId: string, name: string): Promise<void> {
  const gone = await tx
    .delete(keypair)
    .where(and(eq(keypair.region, region), eq(keypair.userId, userId), eq(keypair.name, name)))
    .returning({ id: keypair.id })
  if (gone.length === 0) notFound('Keypair', name)
}
export async function countKeypairs(db: Db, region: string, userId: string): Promise<number> {
  const [row] = await db
    .select({ n: count() })
    .from(keypair)
    .where(and(eq(keypair.region, region), eq(keypair.userId, userId)))
  return row?.n ?? 0
}
