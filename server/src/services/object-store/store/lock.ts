import { sql, type Tx } from '#lib/db.ts'

/** Keeps other writers of this name, and the deletion of its container, away until the transaction ends. */
export async function lockName(tx: Tx, containerId: number, name: string): Promise<void> {
  await tx.rows(sql`select lock_object(${containerId}, ${name})`)
}
