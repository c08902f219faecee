import { type Db, eq, jsonb, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'

const mapping = pgTable('federation_mapping', {
  id: text().primaryKey(),
  rules: jsonb().$type<unknown[]>().notNull(),
  schemaVersion: text('schema_version').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type MappingRow = typeof mapping.$inferSelect
type Content = Pick<MappingRow, 'rules' | 'schemaVersion'>

export async function findMapping(db: Db, id: string): Promise<MappingRow | undefined> {
  const [row] = await db.select().from(mapping).where(eq(mapping.id, id))
  return row
}
export function listMappings(db: Db, page: Page) {
  return listPage(db, mapping, mapping.id, undefined, page)
}
/** Throws conflict for an id in use. */
export async function insertMapping(tx: Tx, id: string, content: Content): Promise<MappingRow> {
  const [row] = await tx
    .insert(mapping)
    .values({ id, ...content })
    .onConflictDoNothing()
    .returning()
  if (!row) return conflict(`There is already a mapping ${id}.`)
  await emit(tx, { type: 'mapping.created', resourceId: id })
  return row
}
export async function updateMapping(tx: Tx, id: string, content: Content): Promise<MappingRow> {
  const [row] = await tx.update(mapping).set(content).where(eq(mapping.id, id)).returning()
  if (!row) return notFound('Mapping', id)
  await emit(tx, { type: 'mapping.updated', resourceId: id })
  return row
}
export async function removeMapping(tx: Tx, id: string): Promise<void> {
  await tx.delete(mapping).where(eq(mapping.id, id))
  await emit(tx, { type: 'mapping.deleted', resourceId: id })
}
