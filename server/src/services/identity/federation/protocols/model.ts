import { and, bytea, type Db, eq, integer, jsonb, ne, pgTable, primaryKey, text, timestamp, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, notFound } from '#lib/fault.ts'
import { type Key, readKeys } from '#lib/key-ring.ts'
import { openText, sealText } from '#lib/sealed.ts'
import { removeVouched } from '../users/model.ts'

const protocol = pgTable(
  'federation_protocol',
  {
    providerId: text('provider_id').notNull(),
    id: text().notNull(),
    mappingId: text('mapping_id').notNull(),
    remoteIdAttribute: text('remote_id_attribute'),
    /** How this program speaks it, by its own name (auth/kinds.ts); null: it does not. */
    kind: text(),
    /** What that kind needs to know. */
    settings: jsonb().$type<Record<string, unknown>>(),
    keySerial: integer('key_serial'),
    secret: bytea(),
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.providerId, t.id] })],
)
export type Protocol = typeof protocol.$inferSelect
type Fields = Pick<Protocol, 'mappingId' | 'remoteIdAttribute'>
/** A protocol has a name of its own only within its provider. */
export type ProtocolKey = Pick<Protocol, 'providerId' | 'id'>
/** How it is spoken; `secret` is sealed before it is kept, and never shown. */
export interface Speech {
  kind: string
  settings: Record<string, unknown>
  secret: string | undefined
}

const named = ({ providerId, id }: ProtocolKey) => and(eq(protocol.providerId, providerId), eq(protocol.id, id))
const nameOf = ({ providerId, id }: ProtocolKey) => `${providerId}/${id}`

export async function findProtocol(db: Db, key: ProtocolKey): Promise<Protocol | undefined> {
  const [row] = await db.select().from(protocol).where(named(key))
  return row
}
export function listProtocols(db: Db, providerId: string): Promise<Protocol[]> {
  return db.select().from(protocol).where(eq(protocol.providerId, providerId)).orderBy(protocol.id)
}
/** The protocols of that name of all providers. */
export function listProtocolsNamed(db: Db, id: string): Promise<Protocol[]> {
  return db.select().from(protocol).where(eq(protocol.id, id)).orderBy(protocol.providerId)
}

/** Throws conflict for an id in use. */
export async function insertProtocol(
  tx: Tx,
  spec: ProtocolKey & Fields & { speech: Speech | null | undefined },
): Promise<Protocol> {
  const { speech, ...fields } = spec
  const [row] = await tx
    .insert(protocol)
    .values({ ...fields, ...(await speechColumns(tx, spec, speech ?? null)) })
    .onConflictDoNothing()
    .returning()
  if (!row) return conflict(`The identity provider ${spec.providerId} already has a protocol ${spec.id}.`)
  await emit(tx, { type: 'protocol.created', resourceId: nameOf(spec) })
  return row
}
/** `speech` null: it is no longer spoken. */
export async function updateProtocol(
  tx: Tx,
  key: ProtocolKey,
  change: Partial<Fields> & { speech?: Speech | null },
): Promise<Protocol> {
  const { speech, ...fields } = change
  const [row] = await tx
    .update(protocol)
    .set({ id: key.id, ...fields, ...(speech !== undefined && (await speechColumns(tx, key, speech))) })
    .where(named(key))
    .returning()
  if (!row) return notFound('Federation Protocol', key.id)
  await emit(tx, { type: 'protocol.updated', resourceId: nameOf(key) })
  return row
}
/** With the users that came by it. */
export async function removeProtocol(tx: Tx, key: ProtocolKey): Promise<void> {
  await removeVouched(tx, { providerId: key.providerId, protocolId: key.id })
  await tx.delete(protocol).where(named(key))
  await emit(tx, { type: 'protocol.deleted', resourceId: nameOf(key) })
}

async function speechColumns(tx: Tx, key: ProtocolKey, speech: Speech | null) {
  const { kind = null, settings = null, secret } = speech ?? {}
  if (secret === undefined) return { kind, settings, keySerial: null, secret: null }
  const [newest] = await readKeys(tx, 'credential')
  if (!newest) return bug('there is no credential key: the database was not prepared')
  return { kind, settings, keySerial: newest.serial, secret: sealText(secret, sealedFor(key), newest) }
}
const sealedFor = (key: ProtocolKey) => `federation ${nameOf(key)}`

/** The secret in the clear; undefined where there is none. */
export async function openProtocolSecret(db: Db, row: Protocol): Promise<string | undefined> {
  return row.secret === null ? undefined : opened(row, await readKeys(db, 'credential'))
}
function opened(row: Protocol, keys: readonly Key[]): string {
  const key = keys.find(({ serial }) => serial === row.keySerial) ?? bug(`the key of ${nameOf(row)}'s secret is gone`)
  return openText(Buffer.from(row.secret ?? []), sealedFor(row), key)
}

/** Seals again, with the newest key, what an older one sealed. Returns how many. */
export async function resealProtocols(tx: Tx): Promise<number> {
  const keys = await readKeys(tx, 'credential')
  const [key] = keys
  if (!key) return bug('there is no credential key: the database was not prepared')
  const rows = await tx.select().from(protocol).where(ne(protocol.keySerial, key.serial)).for('update')
  for (const row of rows) {
    const secret = sealText(opened(row, keys), sealedFor(row), key)
    await tx.update(protocol).set({ keySerial: key.serial, secret }).where(named(row))
  }
  return rows.length
}
