// One page of a list: filters, sort, marker, page_reverse and the links, as Neutron has them.
import { and, type InferSelectModel, type PgColumn, type PgTable, type SQL } from '#lib/db.ts'
import { listPage, one, readPage } from '#lib/http/page.ts'
import type { QueryValues, Request } from '#lib/http/route.ts'
import { type Filters, filtered } from './filters.ts'

export interface Listing<Row> {
  rows: Row[]
  /** `<plural>_links`, where the request had a limit. */
  links: { rel: string; href: string }[] | undefined
}

/** The rows that the actor may see (`where`) and asks for, in the order asked for. Without a limit all of them. */
export async function listRows<Table extends PgTable & { id: PgColumn }>(
  req: Request,
  table: Table,
  filters: Filters,
  where: SQL | undefined,
): Promise<Listing<InferSelectModel<Table>>> {
  const limit = one(req.query, 'limit')
  const query: QueryValues = { ...req.query }
  // zero means as many as there are
  if (limit === '0') delete query['limit']
  const sortable = Object.fromEntries(
    Object.entries(filters).filter(
      (entry): entry is [string, PgColumn] => typeof entry[1] !== 'function' && isSortable(entry[1]),
    ),
  )
  const page = readPage(query, {
    sortable,
    defaultSort: [{ column: table.id, descending: false }],
    maxLimit: 1_000_000,
  })
  const { rows } = await listPage(req.db, table, table.id, and(where, filtered(req, filters)), page)
  const limited = query['limit'] !== undefined
  return { rows, links: limited ? pageLinks(req, rows as { id: string }[], page.limit, page.reverse) : undefined }
}

function isSortable(column: PgColumn): boolean {
  return column.notNull || column.dataType.startsWith('string')
}

function pageLinks(
  req: Request,
  rows: readonly { id: string }[],
  limit: number,
  reverse: boolean,
): { rel: string; href: string }[] {
  const links = []
  if (rows.length >= limit || reverse) links.push({ rel: 'next', href: href(req, rows.at(-1)?.id, false) })
  if (rows.length >= limit || !reverse) links.push({ rel: 'previous', href: href(req, rows[0]?.id, true) })
  return links
}

function href(req: Request, marker: string | undefined, reverse: boolean): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(req.query)) {
    if (name === 'page_reverse' || name === 'marker') continue
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, each)
  }
  if (marker !== undefined) search.set('marker', marker)
  if (reverse) search.set('page_reverse', 'True')
  return `${req.url}?${search}`
}
