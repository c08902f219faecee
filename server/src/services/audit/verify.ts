// Is the trail what was written? Walks the chain from its beginning to its head.
import { and, asc, type Db, eq, gt, gte, lte, max } from '#lib/db.ts'
import { hashOf, readHead } from './chain.ts'
import { auditAnchor, type AuditRecord, auditRecord } from './model.ts'

export interface Verdict {
  ok: boolean
  /** How many records were looked at. */
  checked: number
  first: number
  head: { seq: number; hash: string }
  /** The first record that is not as it was written. */
  broken: { seq: number; why: string } | undefined
}

/** What an operator noted of the trail, to be found in it still. */
export interface Noted {
  seq: number
  hash: string
}

const atOnce = 2000
export const pruneAction = 'delete/retention'

/**
 * Checks every record of the chain as it was when this began, the anchors, and the heads that were noted elsewhere. What
 * the database alone cannot show (a trail written anew from some record on, or cut off with its head) the noted heads do.
 */
export async function verify(db: Db, noted: readonly Noted[] = []): Promise<Verdict> {
  const head = await readHead(db)
  const anchors = new Map(
    (await db.select().from(auditAnchor).orderBy(asc(auditAnchor.seq))).map(({ seq, hash }) => [seq, hash]),
  )
  let seq = head.baseSeq
  let hash = head.baseHash
  let base: { seq: number; hash: string } | undefined
  const verdict = (broken?: Verdict['broken']): Verdict => ({
    ok: broken === undefined,
    checked: seq - head.baseSeq,
    first: head.baseSeq + 1,
    head: { seq: head.seq, hash: head.hash },
    broken,
  })
  while (seq < head.seq) {
    const rows = await db
      .select()
      .from(auditRecord)
      .where(and(gt(auditRecord.seq, seq), lte(auditRecord.seq, head.seq)))
      .orderBy(asc(auditRecord.seq))
      .limit(atOnce)
    if (rows.length === 0) return verdict({ seq: seq + 1, why: 'the records up to the head are missing' })
    for (const row of rows) {
      if (row.seq !== seq + 1) {
        // retention may have gone on since this began: then those are rightly gone
        if ((await readHead(db)).baseSeq >= row.seq - 1) return verify(db, noted)
        return verdict({ seq: seq + 1, why: 'the record is missing' })
      }
      if (row.hash !== hashOf(hash, row.seq, row))
        return verdict({ seq: row.seq, why: 'the record, or the one before it, was changed' })
      const anchor = anchors.get(row.seq)
      if (anchor !== undefined && anchor !== row.hash)
        return verdict({ seq: row.seq, why: 'the record is not the one that was anchored' })
      const mark = noted.find((each) => each.seq === row.seq)
      if (mark && mark.hash !== row.hash)
        return verdict({ seq: row.seq, why: 'the record is not the one whose hash was noted' })
      base = removedBy(row) ?? base
      seq = row.seq
      hash = row.hash
    }
    await new Promise(setImmediate) // requests between
  }
  if (hash !== head.hash) return verdict({ seq: head.seq, why: 'the head is not the last record' })
  const beyond = noted.find((mark) => mark.seq > head.seq)
  if (beyond) return verdict({ seq: head.seq + 1, why: `the trail once reached to record ${beyond.seq}` })
  const [behind] = await db
    .select()
    .from(auditRecord)
    .where(gte(auditRecord.seq, head.seq + 1))
    .limit(1)
  if (behind && (await readHead(db)).seq === head.seq)
    return verdict({ seq: behind.seq, why: 'the record lies behind the head' })
  const [before] = await db.select().from(auditRecord).where(lte(auditRecord.seq, head.baseSeq)).limit(1)
  // the base only ever moves forward: one that lay before it then has no right to be there now
  if (before && (await readHead(db)).baseSeq === head.baseSeq)
    return verdict({ seq: before.seq, why: 'the record lies before the beginning' })
  const [witness] = await db.select({ seq: max(auditAnchor.seq) }).from(auditAnchor)
  if ((witness?.seq ?? 0) > (await readHead(db)).seq)
    return verdict({ seq: head.seq + 1, why: `the trail was anchored at record ${witness?.seq}, which is missing` })
  if (head.baseSeq > 0 && (base?.seq !== head.baseSeq || base.hash !== head.baseHash))
    return verdict({ seq: head.baseSeq, why: 'records were removed, and not by retention' })
  return verdict()
}

/** What a record of retention says it took away. */
function removedBy(row: AuditRecord): Noted | undefined {
  if (row.service !== 'audit' || row.action !== pruneAction || row.details === null) return undefined
  const { through, hash } = JSON.parse(row.details) as { through: number; hash: string }
  return { seq: through, hash }
}

/** One record and whether it is among the chain's. */
export async function findRecord(db: Db, id: string): Promise<AuditRecord | undefined> {
  const [found] = await db.select().from(auditRecord).where(eq(auditRecord.id, id))
  return found
}
