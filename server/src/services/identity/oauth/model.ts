// OAuth 1.0a: consumers, the tokens by which they ask, and the tokens by which they act for a user.
import { randomBytes } from 'node:crypto'
import { bytea, type Db, eq, integer, jsonb, lt, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import { bug, notFound } from '#lib/fault.ts'
import { openText, sealText } from '#lib/sealed.ts'
import { type Key, readKeys } from '#lib/key-ring.ts'
import { resealRows } from '../reseal.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const sealed = { keySerial: integer('key_serial').notNull(), secret: bytea().notNull() }

const consumer = pgTable('oauth_consumer', {
  id: text().primaryKey(),
  description: text(),
  ...sealed,
  extra: jsonb().$type<Record<string, unknown>>().notNull().default({}),
  createdAt: moment('created_at').notNull().defaultNow(),
})
const requestToken = pgTable('oauth_request_token', {
  id: text().primaryKey(),
  consumerId: text('consumer_id').notNull(),
  ...sealed,
  projectId: text('project_id').notNull(),
  userId: text('user_id'),
  roleIds: text('role_ids').array(),
  verifier: text(),
  expiresAt: moment('expires_at'),
})
const accessToken = pgTable('oauth_access_token', {
  id: text().primaryKey(),
  consumerId: text('consumer_id').notNull(),
  ...sealed,
  projectId: text('project_id').notNull(),
  userId: text('user_id').notNull(),
  roleIds: text('role_ids').array().notNull(),
  expiresAt: moment('expires_at'),
  createdAt: moment('created_at').notNull().defaultNow(),
})
const nonce = pgTable('oauth_nonce', {
  consumerId: text('consumer_id').notNull(),
  token: text().notNull(),
  nonce: text().notNull(),
  usedAt: moment('used_at').notNull().defaultNow(),
})
export type Consumer = typeof consumer.$inferSelect
export type RequestToken = typeof requestToken.$inferSelect
export type AccessToken = typeof accessToken.$inferSelect

/** How long a token of either kind can be used, as Keystone's defaults have it. */
const requestTokenMs = 8 * 3_600_000
const accessTokenMs = 24 * 3_600_000

interface Sealed {
  id: string
  keySerial: number
  secret: Uint8Array
}
const openWith = (row: Sealed, keys: readonly Key[]) =>
  openText(
    Buffer.from(row.secret),
    row.id,
    keys.find(({ serial }) => serial === row.keySerial) ?? bug(`the key of an OAuth secret ${row.id} is gone`),
  )
/** The secrets of rows, in their order; '' where there is no row. */
export async function openSecrets(db: Db, ...rows: readonly (Sealed | undefined)[]): Promise<string[]> {
  const keys = await readKeys(db, 'credential')
  return rows.map((row) => (row ? openWith(row, keys) : ''))
}

/** A new id and secret, and how the secret is kept. */
async function newSecret(tx: Tx) {
  const [key] = await readKeys(tx, 'credential')
  if (!key) return bug('there is no credential key: the database was not prepared')
  const id = randomBytes(16).toString('hex')
  const secret = randomBytes(16).toString('hex')
  return { secret, row: { id, keySerial: key.serial, secret: sealText(secret, id, key) } }
}

export async function findConsumer(db: Db, id: string): Promise<Consumer | undefined> {
  const [row] = await db.select().from(consumer).where(eq(consumer.id, id))
  return row
}
export function listConsumers(db: Db): Promise<Consumer[]> {
  return db.select().from(consumer).orderBy(consumer.createdAt, consumer.id)
}
export async function insertConsumer(tx: Tx, spec: Pick<Consumer, 'description' | 'extra'>) {
  const { secret, row } = await newSecret(tx)
  const [made] = await tx
    .insert(consumer)
    .values({ ...spec, ...row })
    .returning()
  return { row: made ?? bug('insert returned nothing'), secret }
}
export async function updateConsumer(
  tx: Tx,
  id: string,
  change: Partial<Pick<Consumer, 'description' | 'extra'>>,
): Promise<Consumer> {
  const [row] = await tx
    .update(consumer)
    .set({ id, ...change })
    .where(eq(consumer.id, id))
    .returning()
  return row ?? notFound('Consumer', id)
}
/** With all tokens that it has. */
export async function removeConsumer(tx: Tx, id: string): Promise<void> {
  await tx.delete(consumer).where(eq(consumer.id, id))
}

export async function insertRequestToken(tx: Tx, consumerId: string, projectId: string) {
  const { secret, row } = await newSecret(tx)
  const expiresAt = new Date(Date.now() + requestTokenMs)
  await tx.delete(requestToken).where(lt(requestToken.expiresAt, new Date()))
  await tx.insert(requestToken).values({ ...row, consumerId, projectId, expiresAt })
  return { id: row.id, secret, expiresAt }
}
export async function findRequestToken(db: Db, id: string): Promise<RequestToken | undefined> {
  const [row] = await db.select().from(requestToken).where(eq(requestToken.id, id))
  return row && live(row) ? row : undefined
}
/** Returns what the consumer has to show to prove that the user agreed. */
export async function authorizeRequestToken(tx: Tx, id: string, userId: string, roleIds: string[]): Promise<string> {
  const verifier = randomBytes(6).toString('base64url')
  await tx.update(requestToken).set({ userId, roleIds, verifier }).where(eq(requestToken.id, id))
  return verifier
}

/** The request token becomes an access token; undefined when another request did that at the same moment. */
export async function exchangeRequestToken(tx: Tx, of: RequestToken) {
  const [gone] = await tx.delete(requestToken).where(eq(requestToken.id, of.id)).returning()
  if (!gone?.userId || !gone.roleIds) return undefined
  const { consumerId, projectId, userId, roleIds } = gone
  const { secret, row } = await newSecret(tx)
  const expiresAt = new Date(Date.now() + accessTokenMs)
  await tx.insert(accessToken).values({ ...row, consumerId, projectId, userId, roleIds, expiresAt })
  return { id: row.id, secret, expiresAt }
}

/** Only one that has not expired. */
export async function findAccessToken(db: Db, id: string): Promise<AccessToken | undefined> {
  const [row] = await db.select().from(accessToken).where(eq(accessToken.id, id))
  return row && live(row) ? row : undefined
}
export function listAccessTokens(db: Db, userId: string): Promise<AccessToken[]> {
  return db
    .select()
    .from(accessToken)
    .where(eq(accessToken.userId, userId))
    .orderBy(accessToken.createdAt, accessToken.id)
}
export async function removeAccessToken(tx: Tx, id: string): Promise<void> {
  await tx.delete(accessToken).where(eq(accessToken.id, id))
}
const live = ({ expiresAt }: { expiresAt: Date | null }) => expiresAt === null || expiresAt.getTime() > Date.now()

/** Before this a nonce need not be remembered: the timestamp beside it is refused. */
export const timestampMs = 600_000

/** False when the nonce was used before. */
export async function useNonce(tx: Tx, consumerId: string, token: string, value: string): Promise<boolean> {
  await tx.delete(nonce).where(lt(nonce.usedAt, new Date(Date.now() - 3 * timestampMs)))
  const made = await tx.insert(nonce).values({ consumerId, token, nonce: value }).onConflictDoNothing().returning()
  return made.length > 0
}

/** Seals again, with the newest key, what an older one sealed. Returns how many. */
export async function resealOauth(tx: Tx): Promise<number> {
  let count = 0
  for (const table of [consumer, requestToken, accessToken]) {
    const { id, keySerial, secret } = table
    count += await resealRows(tx, { table, id, keySerial, secret })
  }
  return count
}
