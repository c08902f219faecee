// Neutron's list filters: any attribute, repeated for "one of"; tags and their opposites.
import { and, gte, inArray, not, or, type PgColumn, type SQL, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { many } from '#lib/http/page.ts'
import type { QueryValues, Request } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { canonical, parseCidr } from '../addresses.ts'

export type Filter = PgColumn | ((values: string[], req: Request) => SQL | undefined)
export type Filters = Readonly<Record<string, Filter>>

const pageWords = new Set(['limit', 'marker', 'page_reverse', 'sort_key', 'sort_dir', 'fields', 'verbose'])

/** What the query asks for, as a condition. Throws invalid for a filter that is not there or a value of the wrong kind. */
export function filtered(req: Request, filters: Filters): SQL | undefined {
  const conditions: (SQL | undefined)[] = []
  const unknown: string[] = []
  for (const name of Object.keys(req.query)) {
    if (pageWords.has(name)) continue
    const filter = filters[name]
    if (filter === undefined) unknown.push(name)
    else {
      const values = many(req.query, name)
      conditions.push(typeof filter === 'function' ? filter(values, req) : equals(filter, values, name))
    }
  }
  if (unknown.length > 0)
    invalid(`[${unknown.map((name) => `'${name}'`).join(', ')}] is invalid attribute for filtering.`, {
      code: 'HTTPBadRequest',
    })
  return and(...conditions)
}

const nothing = sql`false`

/** The column has one of the values. */
export function equals(column: PgColumn, values: readonly string[], name: string): SQL {
  const type = column.getSQLType()
  if (type === 'uuid') {
    const ids = values.filter(isUuid)
    const none = values.includes('') ? sql`${column} is null` : undefined
    return or(ids.length > 0 ? inArray(column, ids) : undefined, none) ?? nothing
  }
  if (type === 'boolean') {
    const truths = values.map((value) => boolean(value, name))
    return inArray(column, truths)
  }
  if (type === 'integer') {
    const numbers = values.filter((value) => /^-?\d{1,9}$/.test(value)).map(Number)
    return numbers.length > 0 ? inArray(column, numbers) : nothing
  }
  if (type === 'inet' || type === 'cidr') {
    const valid = values.flatMap((value) => canonical(value) ?? (parseCidr(value) ? value : []))
    if (valid.length > 0)
      return sql`${column} in (${sql.join(
        valid.map((value) => sql`${value}::inet`),
        sql`, `,
      )})`
    return values.includes('') ? sql`${column} is null` : nothing
  }
  const same = inArray(column, [...values])
  return column.notNull || !values.includes('') ? same : or(same, sql`${column} is null`)!
}

export function boolean(value: string, name: string): boolean {
  if (/^(true|1|yes|on|t|y)$/i.test(value)) return true
  if (/^(false|0|no|off|f|n)$/i.test(value)) return false
  return invalid(`'${value.slice(0, 60)}' cannot be converted to boolean, for the filter ${name}.`, {
    code: 'InvalidInput',
  })
}

/** Comma lists: all, any, not all, none of. */
export function tagFilters(column: PgColumn): Filters {
  const list = (values: string[]) =>
    sql`array[${sql.join(
      values.flatMap((value) => value.split(',')).map((tag) => sql`${tag}`),
      sql`, `,
    )}]::text[]`
  return {
    tags: (values) => sql`${column} @> ${list(values)}`,
    'tags-any': (values) => sql`${column} && ${list(values)}`,
    'not-tags': (values) => not(sql`${column} @> ${list(values)}`),
    'not-tags-any': (values) => not(sql`${column} && ${list(values)}`),
  }
}

interface StandardColumns {
  id: PgColumn
  projectId: PgColumn
  revision?: PgColumn
  createdAt?: PgColumn
  updatedAt?: PgColumn
  name?: PgColumn
  description?: PgColumn
  tags?: PgColumn
}

/** The filters that every resource has, as far as it has the columns. */
export function standardFilters(table: StandardColumns): Filters {
  const { updatedAt } = table
  return {
    id: table.id,
    project_id: table.projectId,
    tenant_id: table.projectId,
    ...(table.name && { name: table.name }),
    ...(table.description && { description: table.description }),
    ...(table.revision && { revision_number: table.revision }),
    ...(table.tags && tagFilters(table.tags)),
    ...(table.createdAt && { created_at: moments(table.createdAt) }),
    ...(updatedAt && {
      updated_at: moments(updatedAt),
      changed_since: ([text = '']) => {
        const at = new Date(text)
        if (Number.isNaN(at.getTime()))
          invalid(`The changed_since '${text.slice(0, 60)}' is not a time.`, { code: 'InvalidInput' })
        return gte(updatedAt, at)
      },
    }),
  }
}

function moments(column: PgColumn): Filter {
  return (values) => {
    const times = values.map((value) => new Date(value)).filter((at) => !Number.isNaN(at.getTime()))
    return times.length > 0
      ? or(...times.map((at) => sql`date_trunc('second', ${column}) = ${at.toISOString()}::timestamptz`))
      : nothing
  }
}

/** `fields=a&fields=b`: only these members of what is shown. */
export function pick(query: QueryValues, shown: Record<string, unknown>): Record<string, unknown> {
  const fields = many(query, 'fields')
    .flatMap((each) => each.split(','))
    .filter(Boolean)
  if (fields.length === 0) return shown
  return Object.fromEntries(Object.entries(shown).filter(([key]) => fields.includes(key)))
}
