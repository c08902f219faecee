// DeleteObject and DeleteObjects.
import { type Db, sql, type Tx } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import { removeArchived } from '../../archive.ts'
import { tell } from '../../notification/tell.ts'
import { lockName } from '../../store/lock.ts'
import type { Before } from '../../store/put.ts'
import { removeObject } from '../../store/remove.ts'
import { findVersion, removeVersion, restoreNewest } from '../../store/versions.ts'
import { isAllowed } from '../access/access.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { readWriteCondition } from './conditions.ts'
import { errorOf, refuse } from '../wire/errors.ts'
import { keepsVersions, readVersionId, versionId } from './metadata.ts'
import { maySkip } from './lock.ts'
import type { Bucket, BucketRequest, ObjectRequest } from '../wire/request.ts'
import type { Content } from '../wire/xml.ts'

interface Deleted {
  /** The version that is gone, or the mark that was made. */
  version?: string
  marker?: boolean
}

export async function deleteObject(request: ObjectRequest): Promise<Answer> {
  const version = readVersionId(request)
  const before = readWriteCondition(request)
  const { db, bucket, key } = request
  const bypass = await maySkip(request)
  const gone = await db.transaction((tx) => remove(tx, bucket, key, { version, before, bypass }))
  return {
    status: 204,
    headers: {
      ...(gone.version !== undefined && { 'x-amz-version-id': gone.version }),
      ...(gone.marker && { 'x-amz-delete-marker': 'true' }),
    },
  }
}

interface Wanted {
  version: number | 'null' | undefined
  before: Before | undefined
  /** Passes over a governance lock. */
  bypass: boolean
}

/** That there is nothing of that name is fine. */
async function remove(
  tx: Tx,
  { container, whose }: Bucket,
  key: string,
  { version, before, bypass }: Wanted,
): Promise<Deleted> {
  if (version !== undefined) return removeOneVersion(tx, container, key, version, bypass)
  if (container.versions === 'stack' || container.versions === 'history') {
    await removeArchived(tx, whose, container, key)
    return {}
  }
  await removeObject(tx, container, key, before)
  if (!keepsVersions(container)) return {}
  return { version: await newestVersion(tx, container.id, key), marker: true }
}

async function newestVersion(db: Db, containerId: number, key: string): Promise<string> {
  const [row] = await db.rows<{ version: string; unversioned: boolean }>(sql`
    select version, unversioned from object_version where container_id = ${containerId} and name = ${key}
    order by version desc limit 1`)
  return versionId({ version: Number(row!.version), unversioned: row!.unversioned })
}

/** For good; the newest of the others is the object then. */
async function removeOneVersion(
  tx: Tx,
  container: Bucket['container'],
  key: string,
  version: number | 'null',
  bypassGovernance: boolean,
): Promise<Deleted> {
  await lockName(tx, container.id, key)
  const found = await findVersion(tx, container.id, key, version)
  if (!found) return { version: String(version) }
  if (await removeVersion(tx, container.id, key, found.version, bypassGovernance))
    await tell(tx, container, { event: 'ObjectRemoved:Delete', key, version: found.version })
  else await removeObject(tx, { ...container, versions: null }, key, undefined, { bypassGovernance })
  await restoreNewest(tx, container.id, key)
  return { version: String(version), ...(found.deleteMarker && { marker: true }) }
}

const mostKeys = 1000
const mostBytes = 2 << 20

export async function deleteObjects(request: BucketRequest): Promise<Answer> {
  const asked = await readXml(request, 'Delete', mostBytes)
  const quiet = asked.textOf('Quiet') === 'true'
  const objects = asked.children('Object')
  if (objects.length === 0 || objects.length > mostKeys) refuse('MalformedXML')
  const deleted: Content[] = []
  const errors: Content[] = []
  for (const object of objects) {
    const key = object.textOf('Key') ?? refuse('MalformedXML')
    const asVersion = object.textOf('VersionId')
    try {
      if (key === '' || key.includes('\0')) refuse('InvalidArgument', 'A key may not be empty.')
      const gone = await removeOne(request, key, asVersion, object.textOf('ETag'))
      const marker = gone.marker && { DeleteMarker: 'true', DeleteMarkerVersionId: gone.version }
      if (!quiet) deleted.push({ Key: key, VersionId: asVersion, ...marker })
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      const { code, message } = errorOf(error)
      errors.push({ Key: key, VersionId: asVersion, Code: code, Message: message })
    }
  }
  return xmlAnswer('DeleteResult', { Deleted: deleted, Error: errors })
}

async function removeOne(
  request: BucketRequest,
  key: string,
  asVersion: string | undefined,
  etag: string | undefined,
): Promise<Deleted> {
  const { db, bucket } = request
  const query = new Map(asVersion === undefined ? [] : [['versionId', asVersion]])
  const needs = { permission: 's3:DeleteObject', rule: 'account:write' } as const
  if (!(await isAllowed({ ...request, query }, needs, bucket, key))) refuse('AccessDenied')
  const conditions = { ...request, header: (name: string) => (name === 'if-match' ? etag : undefined) }
  const before = readWriteCondition(conditions)
  const bypass = await maySkip({ ...request, query }, key)
  const version = readVersionId({ ...request, query })
  return db.transaction((tx) => remove(tx, bucket, key, { version, before, bypass }))
}
