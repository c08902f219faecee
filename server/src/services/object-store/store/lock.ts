import type { Statement, Tx } from '#lib/db.ts'

/** Keeps other writers of this name, and the deletion of its container, away until the transaction ends. */
export function lockStatement(containerId: number, name: string): Statement {
  return {
    text: 'select pg_advisory_xact_lock_shared(7004, $1::int), pg_advisory_xact_lock(7005, hashtext($2::text))',
    values: [containerId, `${containerId}/${name}`],
  }
}

export async function lockName(tx: Tx, containerId: number, name: string): Promise<void> {
  await tx.run(lockStatement(containerId, name))
}
