// Identity's things carry attributes of their owners' own beside their fields, and a link to themselves.
import type { Request } from '#lib/http/route.ts'
import { type Viewer, view } from '#lib/view.ts'
import { listLinks } from './lists.ts'

interface Kept {
  id: string
  extra?: Record<string, unknown>
}
type Getter<Row> = (row: Row, viewer: Viewer) => unknown

export interface IdentityView<Row> {
  item(row: Row, viewer: Viewer): Record<string, unknown>
  show(row: Row, viewer: Viewer): Record<string, unknown>
  list(rows: readonly Row[], req: Pick<Request, 'view' | 'url' | 'query'>, more?: boolean): Record<string, unknown>
}

/** `path` is the collection's: the link to a row is path/id. A getter that gives undefined leaves its field out. */
export function identityView<Row extends Kept>(
  names: readonly [singular: string, plural: string],
  path: string,
  fields: Record<string, Getter<Row>>,
): IdentityView<Row> {
  const bare = view<Row>(names, {
    id: (row) => row.id,
    ...fields,
    links: (row, { baseUrl }) => ({ self: `${baseUrl}${path}/${encodeURIComponent(row.id)}` }),
  })
  const item = (row: Row, viewer: Viewer) => ({ ...row.extra, ...bare.item(row, viewer) })
  return {
    item,
    show: (row, viewer) => ({ [names[0]]: item(row, viewer) }),
    list: (rows, req, more) => ({
      [names[1]]: rows.map((row) => item(row, req.view)),
      ...listLinks(req, rows, more),
    }),
  }
}
