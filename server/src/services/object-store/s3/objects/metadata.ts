// What an object is besides its bytes, in S3's headers.
import { httpDate, toHeader } from '../../swift/answer.ts'
import { titled } from '../../swift/metadata.ts'
import type { Container, StoredObject } from '../../model.ts'
import type { ObjectFacts } from '../../store/put.ts'
import { readAclHeaders, requireAclAllowed } from '../access/acl.ts'
import { quoted } from '../wire/answer.ts'
import { checksumHeaders } from '../wire/checksums.ts'
import { refuse } from '../wire/errors.ts'
import { lockHeaders, readLockHeaders } from './lock-headers.ts'
import type { BucketRequest, S3Request } from '../wire/request.ts'
import { readTagHeader } from '../wire/tags.ts'

const metaPrefix = 'x-amz-meta-'
const mostMetadataBytes = 2048
const kept = ['content-disposition', 'content-language', 'cache-control', 'expires', 'x-amz-website-redirect-location']

/** All that a request says of a new object but its bytes. Throws MetadataTooLarge, and what tags, lists and locks throw. */
export function readFacts(request: BucketRequest): ObjectFacts {
  const metadata: Record<string, string> = {}
  let size = 0
  const named = new Set([...Object.keys(request.headers), ...request.query.keys()].map((name) => name.toLowerCase()))
  for (const header of named) {
    if (!header.startsWith(metaPrefix)) continue
    const value = request.header(header)
    if (value === undefined) continue
    const name = header.slice(metaPrefix.length)
    const text = decodeWords(value)
    if (text.includes('\0')) refuse('InvalidArgument', 'Metadata may not have the character U+0000.')
    size += name.length + Buffer.byteLength(text)
    metadata[name] = text
  }
  if (size > mostMetadataBytes)
    refuse('MetadataTooLarge', undefined, { Size: String(size), MaxSizeAllowed: String(mostMetadataBytes) })
  const headers: Record<string, string> = {}
  for (const name of kept) {
    const value = request.header(name)
    if (value !== undefined && value !== '') headers[name] = value
  }
  // aws-chunked is how the bytes travelled, not what they are
  const encodings = (request.header('content-encoding') ?? '').split(',').flatMap((each) => each.trim() || [])
  const own = encodings.filter((each) => each.toLowerCase() !== 'aws-chunked').join(',')
  if (own !== '') headers['content-encoding'] = own
  return {
    contentType: request.header('content-type') || 'binary/octet-stream',
    metadata,
    headers,
    ...readExtras(request),
  }
}

/** What a new object has besides: tags, an access list, a lock. */
export function readExtras(request: BucketRequest): Pick<ObjectFacts, 'tags' | 'acl' | 'lock'> {
  const { container } = request.bucket
  const tags = request.header('x-amz-tagging')
  const acl = readAclHeaders(request, container.projectId)
  if (acl) requireAclAllowed(container.sharing, acl)
  return {
    tags: tags === undefined ? null : readTagHeader(tags),
    acl: acl && acl.length > 0 ? acl : null,
    lock: readLockHeaders(request),
  }
}

// Values beyond ASCII travel as RFC 2047's encoded words.
function decodeWords(value: string): string {
  if (!value.includes('=?')) return value
  return value
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?(utf-8)\?([bq])\?([^?]*)\?=/gi, (_whole, _charset: string, form: string, text: string) => {
      if (form.toLowerCase() === 'b') return Buffer.from(text, 'base64').toString('utf8')
      const bytes = text
        .replaceAll('_', ' ')
        .replaceAll(/=([0-9a-f]{2})/gi, (_hex, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
      return Buffer.from(bytes, 'latin1').toString('utf8')
    })
}
const plain = /^[\x20-\x7e]*$/
function encodeWords(value: string): string {
  return plain.test(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`
}

/** How a version is called: null for what was written while the container kept none. */
export function versionId(object: Pick<StoredObject, 'version' | 'unversioned'>): string {
  return object.unversioned ? 'null' : String(object.version)
}
/** Throws InvalidArgument for what cannot be one. */
export function readVersionId(request: S3Request): number | 'null' | undefined {
  const text = request.query.get('versionId')
  return text === undefined ? undefined : readVersionIdText(text)
}
export function readVersionIdText(text: string): number | 'null' {
  if (text === 'null') return 'null'
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)))
    refuse('InvalidArgument', 'Invalid version id specified', { ArgumentName: 'versionId', ArgumentValue: text })
  return Number(text)
}
export const keepsVersions = ({ versions }: Pick<Container, 'versions'>) =>
  versions === 'enabled' || versions === 'suspended'

/** Without quotes. That of a large object of Swift's is no digest of its bytes, and says so. */
export function etagOf(object: { kind: string; etag: string; segments?: number | undefined }): string {
  return object.kind === 'slo' ? `${object.etag}-${object.segments ?? 0}` : object.etag
}
export function etagOfObject(object: StoredObject): string {
  const segments = object.manifest && 'segments' in object.manifest ? object.manifest.segments.length : undefined
  return etagOf({ kind: object.kind, etag: object.etag, segments })
}

/** `etag` without quotes. */
export function objectHeaders(
  request: S3Request,
  container: Container,
  object: StoredObject,
  etag: string,
): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': toHeader(object.contentType),
    ETag: quoted(etag),
    'Last-Modified': httpDate(object.modifiedAt),
    'Accept-Ranges': 'bytes',
  }
  for (const [name, value] of Object.entries(object.metadata)) headers[metaPrefix + toHeader(name)] = encodeWords(value)
  for (const [name, value] of Object.entries(object.headers))
    if (!name.startsWith('x-') || kept.includes(name)) headers[titled(name)] = toHeader(value)
  if (keepsVersions(container)) headers['x-amz-version-id'] = versionId(object)
  if (object.storageClass !== 'STANDARD') headers['x-amz-storage-class'] = object.storageClass
  const tags = Object.keys(object.tags ?? {}).length
  if (tags > 0) headers['x-amz-tagging-count'] = String(tags)
  Object.assign(headers, lockHeaders(object.lock))
  if (object.deleteAt)
    headers['x-amz-expiration'] = `expiry-date="${object.deleteAt.toUTCString()}", rule-id="X-Delete-At"`
  if (/^enabled$/i.test(request.header('x-amz-checksum-mode') ?? ''))
    Object.assign(headers, checksumHeaders(object.checksums))
  return headers
}
