// Lists: limit, marker, sort keys; one query by keyset, whatever the page.
import {
  and,
  asc,
  type Db,
  desc,
  eq,
  type InferSelectModel,
  or,
  type PgColumn,
  type PgTable,
  type SQL,
  sql,
  sqlState,
} from '#lib/db.ts'
import { Fault, invalid } from '#lib/fault.ts'
import type { QueryValues, Request } from '#lib/http/route.ts'

export interface Sort {
  column: PgColumn
  descending: boolean
}
export interface Page {
  limit: number
  marker: string | undefined
  sorts: Sort[]
  /** Towards the beginning (Neutron's page_reverse). */
  reverse: boolean
}

export interface PageRules {
  /** What `sort_key` may name. */
  sortable: Record<string, PgColumn>
  defaultSort: Sort[]
  maxLimit?: number
  /** Without `limit`; by default the maximum. */
  defaultLimit?: number
  /** What an unknown sort key does; by default 400. */
  ignoreUnknownSort?: boolean
}

export function one(query: QueryValues, key: string): string | undefined {
  const value = query[key]
  return Array.isArray(value) ? value[0] : value
}
export function many(query: QueryValues, key: string): string[] {
  const value = query[key]
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

/** Reads limit, marker, sort (`name:asc,id`), sort_key/sort_dir pairs, page_reverse. Throws invalid. */
export function readPage(query: QueryValues, rules: PageRules): Page {
  const maxLimit = rules.maxLimit ?? 1000
  const text = one(query, 'limit')
  if (text !== undefined && !/^\d+$/.test(text))
    invalid(`Invalid limit '${text}': it must be a whole number, 0 or greater.`)
  const limit = Math.min(text === undefined ? (rules.defaultLimit ?? maxLimit) : Number(text), maxLimit)
  const keys = many(query, 'sort_key')
  const dirs = many(query, 'sort_dir')
  const pairs = keys.map((key, i) => [key, dirs[i] ?? dirs[0]] as const)
  for (const part of (one(query, 'sort') ?? '').split(',').filter(Boolean)) {
    const [key = '', dir] = part.split(':')
    pairs.push([key, dir])
  }
  const sorts: Sort[] = []
  for (const [key, dir = 'asc'] of pairs) {
    const column = Object.hasOwn(rules.sortable, key) ? rules.sortable[key] : undefined
    if (dir.toLowerCase() !== 'asc' && dir.toLowerCase() !== 'desc')
      invalid(`Invalid sort direction '${dir}': it must be asc or desc.`)
    if (column) sorts.push({ column, descending: dir.toLowerCase() === 'desc' })
    else if (!rules.ignoreUnknownSort)
      invalid(`Invalid sort key '${key}': it must be one of ${Object.keys(rules.sortable).join(', ')}.`)
  }
  return {
    limit,
    marker: one(query, 'marker') || undefined,
    sorts: sorts.length > 0 ? sorts : rules.defaultSort,
    reverse: /^(true|1|yes)$/i.test(one(query, 'page_reverse') ?? ''),
  }
}

/**
 * The rows of one page and whether there are more behind it. `id` is the column that the marker names and that makes the
 * order total. Throws invalid when the marker is not among the rows of `where`.
 */
export async function listPage<Table extends PgTable>(
  db: Db,
  table: Table,
  id: PgColumn,
  where: SQL | undefined,
  page: Page,
): Promise<{ rows: InferSelectModel<Table>[]; more: boolean }> {
  const order: Sort[] = page.sorts.some((sort) => sort.column === id)
    ? page.sorts
    : [...page.sorts, { column: id, descending: page.sorts[0]?.descending ?? false }]
  const turned = page.reverse ? order.map((sort) => ({ ...sort, descending: !sort.descending })) : order
  let after: SQL | undefined
  if (page.marker !== undefined) {
    const values = Object.fromEntries(order.map((sort, i) => [`v${i}`, key(sort.column)]))
    const [row] = await db
      .select(values as Record<string, SQL>)
      .from(table as PgTable)
      .where(and(where, eq(id, page.marker)))
      .catch(asBadMarker(page.marker))
    if (!row) invalid(`The marker ${page.marker} could not be found.`, { code: 'MarkerNotFound' })
    after = behind(turned, Object.values(row as Record<string, unknown>))
  }
  if (page.limit === 0) return { rows: [], more: false }
  const rows = await db
    .select()
    .from(table as PgTable)
    .where(and(where, after))
    .orderBy(...turned.map((sort) => (sort.descending ? desc(key(sort.column)) : asc(key(sort.column)))))
    .limit(page.limit + 1)
  const more = rows.length > page.limit
  const shown = rows.slice(0, page.limit)
  return { rows: (page.reverse ? shown.toReversed() : shown) as InferSelectModel<Table>[], more }
}

function asBadMarker(marker: string) {
  return (error: unknown): never => {
    // a marker that is not even a uuid: the database says so
    if (sqlState(error) === '22P02')
      throw new Fault('invalid', `The marker ${marker} could not be found.`, { code: 'MarkerNotFound', cause: error })
    throw error
  }
}

// A column that may be null sorts as if it were empty, so that comparison with a marker is total.
function key(column: PgColumn): SQL {
  if (column.notNull) return sql`${column}`
  if (column.dataType.startsWith('string')) return sql`coalesce(${column}::text, '')`
  // no size, count or limit is as small as this
  if (/^(number|bigint)/.test(column.dataType)) return sql`coalesce(${column}, -2147483648)`
  return sql`coalesce(${column}, '-infinity')`
}

function behind(sorts: Sort[], values: unknown[]): SQL | undefined {
  const branches = sorts.map((sort, i) => {
    const same = sorts.slice(0, i).map((earlier, j) => sql`${key(earlier.column)} = ${values[j]}`)
    const past = sort.descending ? sql`${key(sort.column)} < ${values[i]}` : sql`${key(sort.column)} > ${values[i]}`
    return and(...same, past)
  })
  return or(...branches)
}

/** The address of the following page: the same request with the marker moved. */
export function nextUrl(
  req: Pick<Request, 'url' | 'query'>,
  lastId: string,
  more: Record<string, string> = {},
): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(req.query)) {
    if (name === 'marker') continue
    for (const each of Array.isArray(value) ? value : [value]) search.append(name, each)
  }
  for (const [name, value] of Object.entries(more)) search.set(name, value)
  search.set('marker', lastId)
  return `${req.url}?${search}`
}

/** `[{rel: 'next', href}]` as Nova, Cinder and Neutron write it under `<plural>_links`; undefined on the last page. */
export function nextLink(
  req: Pick<Request, 'url' | 'query'>,
  rows: readonly { id: string }[],
  more: boolean,
): { rel: string; href: string }[] | undefined {
  const last = rows.at(-1)
  return more && last ? [{ rel: 'next', href: nextUrl(req, last.id) }] : undefined
}
