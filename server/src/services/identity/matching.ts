import { and, eq, ilike, like, type PgColumn, type SQL, sql } from '#lib/db.ts'

/** How Keystone's clients ask for text: whole, or a part of it. */
export interface TextFilter<Field extends string = string> {
  field: Field
  how: 'equals' | 'contains' | 'startsWith' | 'endsWith'
  text: string
  ignoreCase: boolean
}

/** All filters at once; undefined without any. */
export function matching<Field extends string>(
  columns: Record<Field, PgColumn>,
  filters: readonly TextFilter<Field>[],
): SQL | undefined {
  return and(
    ...filters.map(({ field, how, text, ignoreCase }) => {
      const column = columns[field]
      if (how === 'equals') return ignoreCase ? sql`lower(${column}) = lower(${text})` : eq(column, text)
      const escaped = text.replaceAll(/[\\%_]/g, (c) => `\\${c}`)
      const pattern = `${how === 'startsWith' ? '' : '%'}${escaped}${how === 'endsWith' ? '' : '%'}`
      return ignoreCase ? ilike(column, pattern) : like(column, pattern)
    }),
  )
}
