// What may change of a version that is there: its tags, its access list, its lock.
import { type SQL, sql } from '#lib/db.ts'
import type { StoredObject } from '../../model.ts'
import { lockName } from '../../store/lock.ts'
import { keepsVersions, readVersionId, versionId } from './metadata.ts'
import { findNamed } from './get.ts'
import type { ObjectRequest } from '../wire/request.ts'

/** The object that the request names, or that version of it. Throws NoSuchKey, NoSuchVersion, MethodNotAllowed. */
export async function getNamed(request: ObjectRequest): Promise<StoredObject> {
  return findNamed(request, request.bucket, request.key, readVersionId(request))
}

/** Sets one of them while no other writer is at it. `decide` sees what is there, and may refuse; null: none. */
export async function changeNamed(
  request: ObjectRequest,
  column: 'tags' | 'acl' | 'lock',
  decide: (now: StoredObject) => object | null,
): Promise<StoredObject> {
  const { db, bucket, key } = request
  return db.transaction(async (tx) => {
    await lockName(tx, bucket.container.id, key)
    const found = await findNamed(
      { ...request, db: tx as unknown as ObjectRequest['db'] },
      bucket,
      key,
      readVersionId(request),
    )
    const value = decide(found)
    const set = (table: string): SQL => sql`
      update ${sql.identifier(table)} set ${sql.identifier(column)} = ${value && JSON.stringify(value)}::text::jsonb
      where container_id = ${bucket.container.id} and name = ${key} and version = ${found.version} returning version`
    if ((await tx.rows(set('object'))).length === 0) await tx.rows(set('object_version'))
    return found
  })
}

/** Which version it was, where versions are kept. */
export function namedHeader({ bucket }: ObjectRequest, found: StoredObject): Record<string, string> {
  return keepsVersions(bucket.container) ? { 'x-amz-version-id': versionId(found) } : {}
}
