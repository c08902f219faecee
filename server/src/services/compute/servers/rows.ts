// Detailed lists are read again and again while little changes. PostgreSQL stamps each version of a row (xmin, the
// transaction that wrote it), so a list asks for ids and stamps, and only for the rows whose stamp is new.
import { type Db, getColumns, inArray } from '#lib/db.ts'
import { type ListedServer, listedServer, stampedServer } from './model.ts'

/** Rows of about 2 kB each; the oldest go first. */
const mostKept = 5000

const kept = new Map<string, { stamp: string; row: ListedServer }>()

/** The rows of these stamps, in their order. They are shared: nobody may change them. */
export async function listedRows(db: Db, stamps: readonly { id: string; stamp: string }[]): Promise<ListedServer[]> {
  const missing = stamps.filter(({ id, stamp }) => kept.get(id)?.stamp !== stamp).map(({ id }) => id)
  const fresh = new Map<string, ListedServer>()
  if (missing.length > 0) {
    const rows = await db
      .select({ ...getColumns(listedServer), stamp: stampedServer.stamp })
      .from(listedServer)
      .where(inArray(listedServer.id, missing))
    for (const { stamp, ...row } of rows) {
      fresh.set(row.id, row)
      kept.delete(row.id)
      kept.set(row.id, { stamp, row })
    }
  }
  const found = stamps.flatMap(({ id }) => fresh.get(id) ?? kept.get(id)?.row ?? [])
  for (const id of kept.keys()) {
    if (kept.size <= mostKept) break
    kept.delete(id)
  }
  return found
}
