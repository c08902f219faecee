// Looking into the trail: filters, pages, exports.
import { and, asc, type Db, desc, eq, gte, like, lt, or, type PgColumn, type SQL } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import type { QueryValues, Request } from '#lib/http/route.ts'
import { type AuditRecord, auditRecord } from './model.ts'

const filters = {
  initiator: auditRecord.userId,
  target: auditRecord.targetId,
  outcome: auditRecord.outcome,
  service: auditRecord.service,
  request_id: auditRecord.requestId,
  address: auditRecord.address,
} as const
const others = ['from', 'to', 'action', 'project_id', 'target_type', 'limit', 'marker', 'format']

/** What the query asks for, within what the one who asks may see. Throws invalid for what it cannot read. */
export function whereOf(req: Pick<Request, 'query' | 'actor' | 'allows'>): SQL | undefined {
  const { query, actor } = req
  for (const name of Object.keys(query)) {
    if (!Object.hasOwn(filters, name) && !others.includes(name))
      invalid(
        `There is no filter '${name.slice(0, 60)}'; there are ${[...Object.keys(filters), ...others].join(', ')}.`,
      )
  }
  const parts: (SQL | undefined)[] = Object.entries(filters).map(([name, column]) => {
    const value = one(query, name)
    return value === undefined ? undefined : eq(column, value as never)
  })
  const from = timeIn(query, 'from')
  const to = timeIn(query, 'to')
  if (from) parts.push(gte(auditRecord.at, from))
  if (to) parts.push(lt(auditRecord.at, to))
  parts.push(taxonIn(auditRecord.action, query, 'action'), taxonIn(auditRecord.targetType, query, 'target_type'))
  const project = one(query, 'project_id')
  if (req.allows('audit:list_all')) {
    if (project !== undefined) parts.push(eq(auditRecord.projectId, project))
  } else {
    if (project !== undefined && project !== actor.projectId) invalid('Only records of your own project can be listed.')
    parts.push(eq(auditRecord.projectId, actor.projectId ?? ''))
  }
  return and(...parts)
}

/** `update` means `update/reboot` too. */
function taxonIn(column: PgColumn, query: QueryValues, name: string) {
  const value = one(query, name)
  if (value === undefined) return undefined
  return or(eq(column, value), like(column, `${value.replaceAll(/[\\%_]/g, String.raw`\$&`)}/%`))
}

function timeIn(query: QueryValues, name: string): Date | undefined {
  const text = one(query, name)
  if (text === undefined) return undefined
  const time = new Date(text)
  const isTime = /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(time.getTime())
  return isTime ? time : invalid(`'${name}' must be a time in ISO 8601, for example 2026-01-31T08:00:00Z.`)
}

/** Newest first, behind `before` (a seq). */
export async function listRecords(
  db: Db,
  where: SQL | undefined,
  page: { limit: number; before?: number | undefined },
): Promise<AuditRecord[]> {
  return db
    .select()
    .from(auditRecord)
    .where(and(where, page.before === undefined ? undefined : lt(auditRecord.seq, page.before)))
    .orderBy(desc(auditRecord.seq))
    .limit(page.limit)
}

const exportedAtOnce = 1000

/** All of them, oldest first, read as they are taken. */
export async function* allRecords(db: Db, where: SQL | undefined): AsyncGenerator<AuditRecord[]> {
  let last = 0
  for (;;) {
    const rows = await db
      .select()
      .from(auditRecord)
      .where(and(where, gte(auditRecord.seq, last + 1)))
      .orderBy(asc(auditRecord.seq))
      .limit(exportedAtOnce)
    const end = rows.at(-1)
    if (!end) return
    yield rows
    last = end.seq
  }
}
