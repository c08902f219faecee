// Uploads in parts: begun, filled, then completed or given up. The parts' blobs are held by object_blob as an object's are,
// so no killed process leaks one.
import { and, asc, type Db, eq, first, gt, inArray, sql, type Tx } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { objectPart, objectUpload, type Part, type Upload } from './model.ts'
import { holdBlobs, releaseBlobs } from './store/blobs.ts'

export async function beginUpload(tx: Tx, spec: Omit<Upload, 'id' | 'createdAt'>): Promise<Upload> {
  const [row] = await tx
    .insert(objectUpload)
    .values({ ...spec, id: newId() })
    .returning()
  return row!
}

export async function findUpload(db: Db, containerId: number, name: string, id: string): Promise<Upload | undefined> {
  const which = and(eq(objectUpload.id, id), eq(objectUpload.containerId, containerId), eq(objectUpload.name, name))
  return first(await db.select().from(objectUpload).where(which))
}

/** The same, and nobody else completes it, gives it up or adds to it until the transaction ends. */
export async function takeUpload(tx: Tx, id: string): Promise<Upload | undefined> {
  return first(await tx.select().from(objectUpload).where(eq(objectUpload.id, id)).for('update'))
}

/** A part is there; one of the same number before it goes. False when the upload is gone. */
export async function putPart(tx: Tx, part: Omit<Part, 'modifiedAt'>): Promise<boolean> {
  const [upload] = await tx
    .select({ id: objectUpload.id })
    .from(objectUpload)
    .where(eq(objectUpload.id, part.uploadId))
    .for('share')
  if (!upload) return false
  // writers of one number take turns
  await tx.rows(sql`select pg_advisory_xact_lock(7006, hashtext(${`${part.uploadId}/${part.number}`}))`)
  const which = and(eq(objectPart.uploadId, part.uploadId), eq(objectPart.number, part.number))
  const [old] = await tx.delete(objectPart).where(which).returning({ extents: objectPart.extents })
  if (old) await releaseBlobs(tx, old.extents)
  await holdBlobs(tx, part.extents, false)
  await tx.insert(objectPart).values(part)
  return true
}

export async function listParts(db: Db, uploadId: string, after: number, limit: number): Promise<Part[]> {
  return db
    .select()
    .from(objectPart)
    .where(and(eq(objectPart.uploadId, uploadId), gt(objectPart.number, after)))
    .orderBy(asc(objectPart.number))
    .limit(limit)
}

/** The upload and its parts go; all blobs but those of `kept` parts are given back. */
export async function endUpload(tx: Tx, id: string, kept: ReadonlySet<number>): Promise<void> {
  const rows = await tx.delete(objectPart).where(eq(objectPart.uploadId, id)).returning()
  const others = rows.filter(({ number }) => !kept.has(number))
  await releaseBlobs(
    tx,
    others.flatMap(({ extents }) => extents),
  )
  await tx.delete(objectUpload).where(eq(objectUpload.id, id))
}

/** Gives up every upload into a container that goes. */
export async function dropUploads(tx: Tx, containerId: number): Promise<void> {
  const ids = (
    await tx
      .select({ id: objectUpload.id })
      .from(objectUpload)
      .where(eq(objectUpload.containerId, containerId))
      .for('update')
  ).map(({ id }) => id)
  if (ids.length === 0) return
  const rows = await tx.delete(objectPart).where(inArray(objectPart.uploadId, ids)).returning()
  await releaseBlobs(
    tx,
    rows.flatMap(({ extents }) => extents),
  )
  await tx.delete(objectUpload).where(inArray(objectUpload.id, ids))
}

export interface UploadWindow {
  prefix: string
  /** Names from here on; with `idMarker` those of that name whose id is larger too. */
  keyMarker: string
  idMarker: string
  limit: number
}

/** In the order of names, then of their beginning. */
export async function listUploads(db: Db, containerId: number, page: UploadWindow): Promise<Upload[]> {
  const { prefix, keyMarker, idMarker, limit } = page
  const beyond =
    keyMarker === ''
      ? sql`true`
      : idMarker === ''
        ? sql`name > ${keyMarker}`
        : sql`(name > ${keyMarker} or (name = ${keyMarker} and id > ${idMarker}::uuid))`
  return db
    .select()
    .from(objectUpload)
    .where(sql`container_id = ${containerId} and starts_with(name, ${prefix}) and ${beyond}`)
    .orderBy(sql`name, id`)
    .limit(limit)
}
