import { createHash } from 'node:crypto'
import { and, bytea, type Db, eq, integer, isDuplicate, jsonb, pgTable, text, timestamp, type Tx } from '#lib/db.ts'
import { bug, conflict, notFound } from '#lib/fault.ts'
import { newHexId } from '#lib/id.ts'
import { type Key, readKeys } from '#lib/key-ring.ts'
import { openText, sealText } from '#lib/sealed.ts'
import { resealRows } from '../reseal.ts'

const credential = pgTable('credential', {
  id: text().primaryKey(),
  userId: text('user_id').notNull(),
  projectId: text('project_id'),
  type: text().notNull(),
  keySerial: integer('key_serial').notNull(),
  blob: bytea().notNull(),
  extra: jsonb().$type<Record<string, unknown>>().notNull().default({}),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
type Row = typeof credential.$inferSelect
/** A credential, opened. */
export type Credential = Omit<Row, 'blob' | 'keySerial'> & { blob: string }

function opened(row: Row, keys: readonly Key[]): Credential {
  const key = keys.find(({ serial }) => serial === row.keySerial) ?? bug(`the key of credential ${row.id} is gone`)
  const { blob, keySerial: _, ...rest } = row
  return { ...rest, blob: openText(Buffer.from(blob), row.id, key) }
}

export async function findCredential(db: Db, id: string): Promise<Credential | undefined> {
  const [row] = await db.select().from(credential).where(eq(credential.id, id))
  return row && opened(row, await readKeys(db, 'credential'))
}
export async function listCredentials(
  db: Db,
  filter: { userId?: string | undefined; type?: string | undefined },
): Promise<Credential[]> {
  const rows = await db
    .select()
    .from(credential)
    .where(
      and(
        filter.userId === undefined ? undefined : eq(credential.userId, filter.userId),
        filter.type === undefined ? undefined : eq(credential.type, filter.type),
      ),
    )
    .orderBy(credential.createdAt, credential.id)
  if (rows.length === 0) return []
  const keys = await readKeys(db, 'credential')
  return rows.map((row) => opened(row, keys))
}

/** An EC2 credential is found by the hash of its access key. */
export const idOfAccess = (access: string) => createHash('sha256').update(access).digest('hex')

export type NewCredential = Pick<Credential, 'userId' | 'projectId' | 'type' | 'blob' | 'extra'>

/** Throws conflict when the id (an EC2 access key) is in use. */
export async function insertCredential(tx: Tx, spec: NewCredential, id = newHexId()): Promise<Credential> {
  const [key] = await readKeys(tx, 'credential')
  if (!key) return bug('there is no credential key: the database was not prepared')
  try {
    const [row] = await tx.transaction((inner) =>
      inner
        .insert(credential)
        .values({ ...spec, id, keySerial: key.serial, blob: sealText(spec.blob, id, key) })
        .returning(),
    )
    return opened(row ?? bug('insert returned nothing'), [key])
  } catch (error) {
    if (isDuplicate(error)) conflict('There is already such a credential.', { cause: error })
    throw error
  }
}

export async function updateCredential(tx: Tx, id: string, change: Partial<NewCredential>): Promise<Credential> {
  const [key] = await readKeys(tx, 'credential')
  if (!key) return bug('there is no credential key: the database was not prepared')
  const { blob, ...rest } = change
  const sealed = blob === undefined ? {} : { keySerial: key.serial, blob: sealText(blob, id, key) }
  await tx
    .update(credential)
    .set({ id, ...rest, ...sealed })
    .where(eq(credential.id, id))
  return (await findCredential(tx, id)) ?? notFound('Credential', id)
}

export async function removeCredential(tx: Tx, id: string): Promise<void> {
  await tx.delete(credential).where(eq(credential.id, id))
}

/** Seals again, with the newest key, what an older one sealed. Returns how many. */
export function resealCredentials(tx: Tx): Promise<number> {
  const { id, keySerial, blob } = credential
  return resealRows(tx, { table: credential, id, keySerial, secret: blob })
}
