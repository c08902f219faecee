// Retention: records older than so many days go, from the beginning of the chain, and the chain itself says so.
import type { Database, Db } from '#lib/db.ts'
import { sql } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { append, lockHead } from './chain.ts'
import { pruneAction } from './verify.ts'

const dayMs = 86_400_000

/** Removes what is older than `days` (0: nothing) and records that it did. Returns how many went. */
export async function pruneAudit(db: Database, days: number, now = new Date()): Promise<number> {
  if (days <= 0) return 0
  const olderThan = new Date(now.getTime() - days * dayMs)
  if (!(await hasOlder(db, olderThan))) return 0
  return db.transaction(async (tx) => {
    await lockHead(tx)
    const [gone] = await tx.rows<{ base_seq: string; base_hash: string; removed: string }>(
      sql`select * from audit_prune(${olderThan.toISOString()}::timestamptz)`,
    )
    if (!gone) return 0
    const removed = Number(gone.removed)
    await append(tx, [
      {
        id: newId(),
        at: now,
        service: 'audit',
        action: pruneAction,
        outcome: 'success',
        status: 0,
        reason: null,
        attempts: 1,
        userId: null,
        initiatorProjectId: null,
        address: null,
        projectId: null,
        targetType: 'service/security/audit',
        targetId: null,
        region: null,
        requestId: null,
        details: JSON.stringify({ through: Number(gone.base_seq), hash: gone.base_hash, removed, days }),
      },
    ])
    return removed
  })
}

async function hasOlder(db: Db, olderThan: Date): Promise<boolean> {
  const [oldest] = await db.rows<{ at: Date | string }>(sql`select at from audit_record order by seq limit 1`)
  return oldest !== undefined && new Date(oldest.at) < olderThan
}
