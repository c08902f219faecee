// Keys that a project makes for its objects, and what their owner may do with all keys of the project.
import { and, count, type Db, eq, gt, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, invalid, notFound } from '#lib/fault.ts'
import { isUuid } from '#lib/id.ts'
import { requireQuota } from '#lib/quota.ts'
import type { Whose } from '../containers.ts'
import { objectKey, type ObjectKey } from './model.ts'
import { ensureProjectKey, keysChanged } from './project-keys.ts'

const dayMs = 86_400_000

const ofProject = (whose: Whose) => and(eq(objectKey.region, whose.region), eq(objectKey.projectId, whose.projectId))

/** By id; `after`: the id of the last one of the page before. */
export async function listKeys(db: Db, whose: Whose, limit: number, after: string | undefined): Promise<ObjectKey[]> {
  return db
    .select()
    .from(objectKey)
    .where(and(ofProject(whose), after === undefined ? undefined : gt(objectKey.id, after)))
    .orderBy(objectKey.id)
    .limit(limit)
}

export async function countKeys(db: Db, whose: Whose): Promise<number> {
  const [row] = await db
    .select({ n: count() })
    .from(objectKey)
    .where(and(ofProject(whose), eq(objectKey.purpose, 'named')))
  return row?.n ?? 0
}

/** Throws notFound. */
export async function getKey(db: Db, region: string, id: string): Promise<ObjectKey> {
  const where = and(eq(objectKey.region, region), eq(objectKey.id, id))
  const [row] = isUuid(id) ? await db.select().from(objectKey).where(where) : []
  return row ?? notFound('Key', id)
}

/** Throws conflict when the project has one of that name. */
export async function createKey(tx: Tx, whose: Whose, name: string, description: string): Promise<ObjectKey> {
  if (isUuid(name) || name.startsWith('pileus/'))
    invalid("The name of a key may not have the form of an id, nor begin with 'pileus/'.")
  await requireQuota(tx, { service: 'object-keys', ...whose }, { keys: 1 })
  const id = await ensureProjectKey(tx, whose, name, name === 'aws/s3' ? 'default' : 'named', description)
  if (id === undefined) conflict(`There is a key ${name} already.`)
  await emit(tx, { type: 'object-key.created', resourceId: id, projectId: whose.projectId, region: whose.region })
  return getKey(tx, whose.region, id)
}

export async function changeKey(
  tx: Tx,
  key: ObjectKey,
  changes: Partial<Pick<ObjectKey, 'enabled' | 'description'>>,
): Promise<ObjectKey> {
  const [row] = await tx.update(objectKey).set(changes).where(eq(objectKey.id, key.id)).returning()
  await keysChanged(tx)
  await emit(tx, { type: 'object-key.updated', resourceId: key.id, projectId: key.projectId, region: key.region })
  return row ?? notFound('Key', key.id)
}

/** From now on it cannot be used, and in that many days it is destroyed, with all that it encrypted. */
export async function scheduleDeletion(tx: Tx, key: ObjectKey, days: number): Promise<ObjectKey> {
  if (key.deleteAt) conflict(`Key ${key.name} is to be deleted already.`)
  return setDeletion(tx, key, new Date(Date.now() + days * dayMs))
}

/** It can be used again, if it was enabled. */
export async function cancelDeletion(tx: Tx, key: ObjectKey): Promise<ObjectKey> {
  if (!key.deleteAt) conflict(`Key ${key.name} is not to be deleted.`)
  return setDeletion(tx, key, null)
}

async function setDeletion(tx: Tx, key: ObjectKey, deleteAt: Date | null): Promise<ObjectKey> {
  const [row] = await tx.update(objectKey).set({ deleteAt }).where(eq(objectKey.id, key.id)).returning()
  await keysChanged(tx)
  const type = deleteAt ? 'object-key.deletion.scheduled' : 'object-key.deletion.cancelled'
  await emit(tx, { type, resourceId: key.id, projectId: key.projectId, region: key.region })
  return row ?? notFound('Key', key.id)
}
