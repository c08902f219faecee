import { type Db, eq, jsonb, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import { bug, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'

const policyBlob = pgTable('policy_blob', {
  id: text().primaryKey(),
  type: text().notNull(),
  blob: text().notNull(),
  extra: jsonb().$type<Record<string, unknown>>().notNull().default({}),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type PolicyBlob = typeof policyBlob.$inferSelect
type NewPolicyBlob = Pick<PolicyBlob, 'type' | 'blob' | 'extra'>

export async function findPolicyBlob(db: Db, id: string): Promise<PolicyBlob | undefined> {
  const [row] = await db.select().from(policyBlob).where(eq(policyBlob.id, id))
  return row
}
export function listPolicyBlobs(db: Db, type: string | undefined): Promise<PolicyBlob[]> {
  return db
    .select()
    .from(policyBlob)
    .where(type === undefined ? undefined : eq(policyBlob.type, type))
    .orderBy(policyBlob.id)
}
export async function insertPolicyBlob(tx: Tx, spec: NewPolicyBlob): Promise<PolicyBlob> {
  const [row] = await tx
    .insert(policyBlob)
    .values({ ...spec, id: newHexId() })
    .returning()
  return row ?? bug('insert returned nothing')
}
export async function updatePolicyBlob(tx: Tx, id: string, change: Partial<NewPolicyBlob>): Promise<PolicyBlob> {
  const [row] = await tx
    .update(policyBlob)
    .set({ id, ...change })
    .where(eq(policyBlob.id, id))
    .returning()
  return row ?? notFound('Policy', id)
}
export async function removePolicyBlob(tx: Tx, id: string): Promise<void> {
  await tx.delete(policyBlob).where(eq(policyBlob.id, id))
}
