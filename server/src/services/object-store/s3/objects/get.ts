// GetObject and HeadObject.
import { sql } from '#lib/db.ts'
import { findContainer, type Whose } from '../../containers.ts'
import type { StoredObject } from '../../model.ts'
import { findObject } from '../../store/read.ts'
import { findVersion } from '../../store/versions.ts'
import { httpDate, toHeader } from '../../swift/answer.ts'
import { contentOf } from '../../swift/content.ts'
import { titled } from '../../swift/metadata.ts'
import { parseRanges, type Range } from '../../swift/ranges.ts'
import { deny, isAllowed } from '../access/access.ts'
import type { Answer } from '../wire/answer.ts'
import { requireReadable } from './conditions.ts'
import { encryptionHeaders, requireCustomerKey } from './encryption.ts'
import { refuse } from '../wire/errors.ts'
import { etagOfObject, keepsVersions, objectHeaders, readVersionId, versionId } from './metadata.ts'
import type { Bucket, ObjectRequest, S3Request } from '../wire/request.ts'

const mostLinks = 2

/** The object that a read names, its version included. Throws NoSuchKey, NoSuchVersion, and MethodNotAllowed for a mark of deletion. */
export async function findNamed(
  request: S3Request,
  bucket: Bucket,
  key: string,
  version: number | 'null' | undefined,
): Promise<StoredObject> {
  const { container } = bucket
  if (version === undefined) {
    const found = bucket.object?.name === key ? bucket.object : await findObject(request.db, container.id, key)
    if (found) return found
    // whether something is there is the business of those who may list
    const list = { permission: 's3:ListBucket', rule: 'account:read' } as const
    if (!(await isAllowed({ ...request, query: new Map() }, list, bucket))) refuse('AccessDenied')
    const marker = keepsVersions(container) ? await newestMarker(request, container.id, key) : undefined
    return refuse('NoSuchKey', undefined, {
      Key: key,
      ...(marker !== undefined && { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker }),
    })
  }
  const found = await findVersion(request.db, container.id, key, version)
  if (!found) return refuse('NoSuchVersion', undefined, { Key: key, VersionId: String(version) })
  if (found.deleteMarker)
    return refuse('MethodNotAllowed', undefined, {
      Method: request.method,
      ResourceType: 'DeleteMarker',
      'x-amz-delete-marker': 'true',
      'x-amz-version-id': versionId(found),
      'last-modified': httpDate(found.modifiedAt),
    })
  return found
}

async function newestMarker({ db }: S3Request, containerId: number, key: string): Promise<string | undefined> {
  const [row] = await db.rows<{ version: string; unversioned: boolean; delete_marker: boolean }>(sql`
    select version, unversioned, delete_marker from object_version
    where container_id = ${containerId} and name = ${key} order by version desc limit 1`)
  return row?.delete_marker ? versionId({ version: Number(row.version), unversioned: row.unversioned }) : undefined
}

/** Where a link of Swift's leads, within the project. */
export async function follow(
  request: ObjectRequest,
  object: StoredObject,
): Promise<{ object: StoredObject; whose: Whose }> {
  const { whose } = request.bucket
  let found = object
  for (let hops = 0; found.manifest && 'target' in found.manifest; hops++) {
    const { account, path, etag } = found.manifest.target
    if (hops === mostLinks) refuse('InvalidObjectState', 'The object is a link to a link to a link.')
    if (account !== whose.projectId) await deny(request, request.bucket)
    const slash = path.indexOf('/')
    const container = await findContainer(request.db, whose, path.slice(0, slash))
    const next: StoredObject | undefined =
      container && (await findObject(request.db, container.id, path.slice(slash + 1)))
    if (!next) return refuse('NoSuchKey')
    if (etag !== undefined && next.etag !== etag)
      refuse('InvalidObjectState', 'The object is a link to one that has been replaced since.')
    found = next
  }
  return { object: found, whose }
}

export async function getObject(request: ObjectRequest): Promise<Answer> {
  const { bucket, key, method } = request
  const named = await findNamed(request, bucket, key, readVersionId(request))
  const { object, whose } = await follow(request, named)
  const customerKey = await requireCustomerKey(request, object)
  const content = await contentOf(request.world, whose, object, 0, customerKey)
  const etag = object.kind === 'slo' ? etagOfObject(object) : content.etag.replaceAll('"', '')
  requireReadable(request, { etag, modifiedAt: object.modifiedAt })
  const headers = {
    ...objectHeaders(request, bucket.container, object, etag),
    ...encryptionHeaders(request, object.sealed),
    ...overrides(request),
  }
  const part = readPart(request, object, content.size)
  if (part) headers['x-amz-mp-parts-count'] = String(part.count)
  const range = part?.range ?? readRange(request, content.size, { etag, modifiedAt: object.modifiedAt })
  const open = async ({ start, end }: Range) => (method === 'HEAD' ? {} : { body: await content.open({ start, end }) })
  if (!range || (part && part.count === 0)) {
    headers['Content-Length'] = String(content.size)
    return { status: 200, headers, ...(await open({ start: 0, end: content.size - 1 })) }
  }
  for (const name of Object.keys(headers)) if (name.startsWith('x-amz-checksum-')) delete headers[name]
  headers['Content-Range'] = `bytes ${range.start}-${range.end}/${content.size}`
  headers['Content-Length'] = String(range.end - range.start + 1)
  return { status: 206, headers, ...(await open(range)) }
}

function readRange(request: ObjectRequest, size: number, found: { etag: string; modifiedAt: Date }): Range | undefined {
  const header = request.header('range')
  if (header === undefined || !rangeHolds(request.header('if-range'), found)) return undefined
  const ranges = parseRanges(header, size)
  if (ranges === 'none') refuse('InvalidRange', undefined, { RangeRequested: header, ActualObjectSize: String(size) })
  // S3 gives one range; of several it gives the whole object
  return ranges?.length === 1 ? ranges[0] : undefined
}

function rangeHolds(value: string | undefined, found: { etag: string; modifiedAt: Date }): boolean {
  if (value === undefined) return true
  if (/GMT/.test(value)) return Math.ceil(found.modifiedAt.getTime() / 1000) * 1000 <= Date.parse(value)
  return value.replaceAll('"', '') === found.etag
}

/** `partNumber=`: the bytes of one part. Throws InvalidPartNumber. */
function readPart(
  request: ObjectRequest,
  object: StoredObject,
  size: number,
): { range: Range | undefined; count: number } | undefined {
  const text = request.query.get('partNumber')
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > 10_000)
    refuse('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive')
  if (request.header('range') !== undefined)
    refuse('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
  const sizes = partSizes(object) ?? [size]
  if (number > sizes.length)
    refuse('InvalidPartNumber', undefined, { ActualPartCount: String(sizes.length), PartNumberRequested: text })
  const start = sizes.slice(0, number - 1).reduce((sum, each) => sum + each, 0)
  const length = sizes[number - 1]!
  return { range: length === 0 ? undefined : { start, end: start + length - 1 }, count: sizes.length }
}

function partSizes({ manifest }: StoredObject): number[] | undefined {
  return manifest && 'parts' in manifest ? manifest.parts.map(({ size }) => size) : undefined
}

const overridable = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
]

/** response-*: what a signed request may have said in place of what is kept. Throws InvalidRequest for others. */
function overrides(request: S3Request): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of overridable) {
    const value = request.query.get(`response-${name}`)
    if (value === undefined) continue
    if (request.actor.userId === '')
      refuse('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.')
    if (/[\r\n]/.test(value)) refuse('InvalidArgument', `response-${name} is no header.`)
    headers[titled(name)] = toHeader(value)
  }
  return headers
}
