// Lists as Keystone gives them: everything at once unless `limit` is given, filters by attribute, links around it.
import { nextUrl, one, type Page, readPage } from '#lib/http/page.ts'
import type { QueryValues, Request } from '#lib/http/route.ts'
import type { TextFilter } from './matching.ts'

const mostRows = 10_000

/** limit and marker; the order is that of creation. */
export function readIdentityPage(query: QueryValues): Page {
  return readPage(query, { sortable: {}, defaultSort: [], maxLimit: mostRows, ignoreUnknownSort: true })
}

const comparators = { contains: 'contains', startswith: 'startsWith', endswith: 'endsWith', equals: 'equals' } as const

/** `name=x`, `name__contains=x`, `name__istartswith=x`, … for each of the fields. */
export function readTextFilters<Field extends string>(
  query: QueryValues,
  fields: readonly Field[],
): TextFilter<Field>[] {
  const filters: TextFilter<Field>[] = []
  for (const field of fields) {
    const exact = one(query, field)
    if (exact !== undefined) filters.push({ field, how: 'equals', text: exact, ignoreCase: false })
    for (const [word, how] of Object.entries(comparators)) {
      for (const ignoreCase of [false, true]) {
        const text = one(query, `${field}__${ignoreCase ? 'i' : ''}${word}`)
        if (text !== undefined) filters.push({ field, how, text, ignoreCase })
      }
    }
  }
  return filters
}

/** A query's flag as Keystone reads it: there without a value means true; '0', 'false', 'no' mean false. */
export function flag(query: QueryValues, name: string): boolean | undefined {
  const text = one(query, name)
  return text === undefined ? undefined : !/^(0|false|no|off|f|n)$/i.test(text)
}

/** What surrounds the rows: links, and a next page if there is one. */
export function listLinks(
  req: Pick<Request, 'url' | 'query'>,
  rows: readonly { id: string }[] = [],
  more = false,
): Record<string, unknown> {
  const search = new URLSearchParams(
    Object.entries(req.query).flatMap(([key, value]) => [value].flat().map((each): [string, string] => [key, each])),
  ).toString()
  const last = rows.at(-1)
  return {
    links: {
      next: more && last ? nextUrl(req, last.id) : null,
      self: search === '' ? req.url : `${req.url}?${search}`,
      previous: null,
    },
    ...(more && { truncated: true }),
  }
}
