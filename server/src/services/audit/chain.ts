// The chain: each record's hash covers all of its columns and the hash of the record before it. One chain for the whole
// cloud; whoever appends holds the lock of the head's row, so numbers have no gaps and follow the commits.
import { createHash } from 'node:crypto'
import { type Db, eq, inArray, sql, type Tx } from '#lib/db.ts'
import { bug } from '#lib/fault.ts'
import { auditAnchor, type AuditHead, auditHead, type AuditRecord, auditRecord, type Entry } from './model.ts'

const anchorEvery = 1000

/** SHA-256, in hexadecimal, of the hash before it and of every column in this order. */
export function hashOf(before: string, seq: number, entry: Entry): string {
  const covered = [
    ...[before, seq, entry.id, entry.at.getTime(), entry.service, entry.action, entry.outcome, entry.status],
    ...[entry.reason, entry.attempts, entry.userId, entry.initiatorProjectId, entry.address, entry.projectId],
    ...[entry.targetType, entry.targetId, entry.region, entry.requestId, entry.details],
  ]
  return createHash('sha256').update(JSON.stringify(covered)).digest('hex')
}

/** Where the chain begins and ends, locked until the transaction ends. */
export async function lockHead(tx: Tx): Promise<AuditHead> {
  const [head] = await tx.select().from(auditHead).for('update')
  return head ?? bug('the audit trail has no head: the database was not prepared')
}

/** Appends the entries in their order. Those that are there already (a commit whose answer was lost) are left out. */
export async function append(tx: Tx, entries: readonly Entry[], options: { perhapsThere?: boolean } = {}) {
  const head = await lockHead(tx)
  const there = options.perhapsThere ? await findThere(tx, entries) : undefined
  let { seq, hash } = head
  const rows: AuditRecord[] = []
  for (const entry of entries) {
    if (there?.has(entry.id)) continue
    hash = hashOf(hash, ++seq, entry)
    rows.push({ ...entry, seq, hash })
  }
  if (rows.length === 0) return head
  // one parameter, so that a batch of any length is the same prepared statement
  const batch = JSON.stringify(rows.map(asColumns))
  await tx.rows(sql`
    with appended as (
      insert into audit_record select * from json_populate_recordset(null::audit_record, ${batch}::text::json))
    update audit_head set seq = ${seq}, hash = ${hash}`)
  if (Math.floor(seq / anchorEvery) > Math.floor(head.seq / anchorEvery))
    await tx.insert(auditAnchor).values({ seq, hash })
  return { ...head, seq, hash }
}

const asColumns = (row: AuditRecord) => ({
  seq: row.seq,
  id: row.id,
  at: row.at,
  service: row.service,
  action: row.action,
  outcome: row.outcome,
  status: row.status,
  reason: row.reason,
  attempts: row.attempts,
  user_id: row.userId,
  initiator_project_id: row.initiatorProjectId,
  address: row.address,
  project_id: row.projectId,
  target_type: row.targetType,
  target_id: row.targetId,
  region: row.region,
  request_id: row.requestId,
  details: row.details,
  hash: row.hash,
})

async function findThere(tx: Tx, entries: readonly Entry[]): Promise<Set<string>> {
  const ids = entries.map(({ id }) => id)
  const found = await tx.select({ id: auditRecord.id }).from(auditRecord).where(inArray(auditRecord.id, ids))
  return new Set(found.map(({ id }) => id))
}

/** The head as it is. */
export async function readHead(db: Db): Promise<AuditHead> {
  const [head] = await db.select().from(auditHead).where(eq(auditHead.single, true))
  return head ?? bug('the audit trail has no head: the database was not prepared')
}
