import { and, boolean, type Db, eq, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { matching, type TextFilter } from '../../matching.ts'

const serviceProvider = pgTable('service_provider', {
  id: text().primaryKey(),
  authUrl: text('auth_url').notNull(),
  spUrl: text('sp_url').notNull(),
  enabled: boolean().notNull(),
  description: text(),
  relayStatePrefix: text('relay_state_prefix').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type ServiceProvider = typeof serviceProvider.$inferSelect
export type NewServiceProvider = Omit<ServiceProvider, 'createdAt'>

export async function findServiceProvider(db: Db, id: string): Promise<ServiceProvider | undefined> {
  const [row] = await db.select().from(serviceProvider).where(eq(serviceProvider.id, id))
  return row
}
export function listServiceProviders(
  db: Db,
  filter: { text: TextFilter<'id'>[]; enabled: boolean | undefined },
  page: Page,
) {
  const where = and(
    filter.enabled === undefined ? undefined : eq(serviceProvider.enabled, filter.enabled),
    matching({ id: serviceProvider.id }, filter.text),
  )
  return listPage(db, serviceProvider, serviceProvider.id, where, page)
}
/** As tokens show them. */
export function listEnabledServiceProviders(db: Db): Promise<ServiceProvider[]> {
  return db.select().from(serviceProvider).where(eq(serviceProvider.enabled, true)).orderBy(serviceProvider.id)
}

/** Throws conflict for an id in use. */
export async function insertServiceProvider(tx: Tx, spec: NewServiceProvider): Promise<ServiceProvider> {
  const [row] = await tx.insert(serviceProvider).values(spec).onConflictDoNothing().returning()
  if (!row) return conflict(`There is already a service provider ${spec.id}.`)
  await emit(tx, { type: 'service_provider.created', resourceId: row.id })
  return row
}
export async function updateServiceProvider(
  tx: Tx,
  id: string,
  change: Partial<Omit<NewServiceProvider, 'id'>>,
): Promise<ServiceProvider> {
  const [row] = await tx
    .update(serviceProvider)
    .set({ id, ...change })
    .where(eq(serviceProvider.id, id))
    .returning()
  if (!row) return notFound('Service Provider', id)
  await emit(tx, { type: 'service_provider.updated', resourceId: id })
  return row
}
export async function removeServiceProvider(tx: Tx, id: string): Promise<void> {
  await tx.delete(serviceProvider).where(eq(serviceProvider.id, id))
  await emit(tx, { type: 'service_provider.deleted', resourceId: id })
}
