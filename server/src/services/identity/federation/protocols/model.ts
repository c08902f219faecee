import { and, type Db, eq, pgTable, primaryKey, text, timestamp, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'

const protocol = pgTable(
  'federation_protocol',
  {
    providerId: text('provider_id').notNull(),
    id: text().notNull(),
    mappingId: text('mapping_id').notNull(),
    remoteIdAttribute: text('remote_id_attribute'),
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.providerId, t.id] })],
)
export type Protocol = typeof protocol.$inferSelect
export type NewProtocol = Omit<Protocol, 'createdAt'>
/** A protocol has a name of its own only within its provider. */
export type ProtocolKey = Pick<Protocol, 'providerId' | 'id'>

const named = ({ providerId, id }: ProtocolKey) => and(eq(protocol.providerId, providerId), eq(protocol.id, id))

export async function findProtocol(db: Db, key: ProtocolKey): Promise<Protocol | undefined> {
  const [row] = await db.select().from(protocol).where(named(key))
  return row
}
export function listProtocols(db: Db, providerId: string): Promise<Protocol[]> {
  return db.select().from(protocol).where(eq(protocol.providerId, providerId)).orderBy(protocol.id)
}
/** Throws conflict for an id in use. */
export async function insertProtocol(tx: Tx, spec: NewProtocol): Promise<Protocol> {
  const [row] = await tx.insert(protocol).values(spec).onConflictDoNothing().returning()
  if (!row) return conflict(`The identity provider ${spec.providerId} already has a protocol ${spec.id}.`)
  await emit(tx, { type: 'protocol.created', resourceId: `${spec.providerId}/${spec.id}` })
  return row
}
export async function updateProtocol(
  tx: Tx,
  key: ProtocolKey,
  change: Partial<Omit<NewProtocol, keyof ProtocolKey>>,
): Promise<Protocol> {
  const [row] = await tx
    .update(protocol)
    .set({ id: key.id, ...change })
    .where(named(key))
    .returning()
  if (!row) return notFound('Federation Protocol', key.id)
  await emit(tx, { type: 'protocol.updated', resourceId: `${key.providerId}/${key.id}` })
  return row
}
export async function removeProtocol(tx: Tx, key: ProtocolKey): Promise<void> {
  await tx.delete(protocol).where(named(key))
  await emit(tx, { type: 'protocol.deleted', resourceId: `${key.providerId}/${key.id}` })
}
