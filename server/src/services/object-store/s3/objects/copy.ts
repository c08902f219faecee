// CopyObject: the bytes are shared where they lie at a backend of the class that is wanted.
import { inTurn, type Pieces } from '#lib/pieces.ts'
import { copyBytes } from '../../encryption/copy.ts'
import type { StoredObject } from '../../model.ts'
import type { Received } from '../../store/bytes.ts'
import type { ObjectFacts } from '../../store/put.ts'
import { receive } from '../../store/receive.ts'
import { type Content, contentOf } from '../../swift/content.ts'
import { isAllowed, noSuchBucket } from '../access/access.ts'
import { type Answer, isoTime, quoted, xmlAnswer } from '../wire/answer.ts'
import { type Algorithm, checksumElements, digestOf, keptOf, readAlgorithm } from '../wire/checksums.ts'
import { requireCopyable } from './conditions.ts'
import { findBucket } from '../buckets/find.ts'
import { encryptionHeaders, readWish, requireCustomerKey, sealingFor } from './encryption.ts'
import { refuse } from '../wire/errors.ts'
import { etagOfObject, keepsVersions, readExtras, readFacts, readVersionId, versionId } from './metadata.ts'
import { findNamed, follow } from './get.ts'
import { mostBytes, storageClassOf, storeReceived, versionHeader } from './put.ts'
import { type Bucket, type ObjectRequest, requireKey } from '../wire/request.ts'

export interface Source {
  bucket: Bucket
  key: string
  object: StoredObject
  content: Content
  customerKey: Buffer | undefined
  etag: string
  /** When it was asked for by version, or its bucket keeps them. */
  version: string | undefined
}

/** What x-amz-copy-source names, where the one who asks may read it. */
export async function findSource(request: ObjectRequest): Promise<Source> {
  const { bucket: name, key, version } = readSource(request.header('x-amz-copy-source') ?? '')
  const bucket = await findBucket(request, name)
  if (!bucket) return noSuchBucket(name)
  const needs = { permission: 's3:GetObject', rule: 'account:read' } as const
  // a version that the request names is the target's affair, not the source's
  const asReader = { ...request, query: new Map(version === undefined ? [] : [['versionId', version]]) }
  if (!(await isAllowed(asReader, needs, bucket, key))) refuse('AccessDenied')
  const named = await findNamed(request, bucket, key, readVersionId(asReader))
  const { object, whose } = await follow({ ...request, bucket, key }, named)
  const customerKey = await requireCustomerKey(request, object, 'source')
  const content = await contentOf(request.world, whose, object, 0, customerKey)
  const etag = object.kind === 'slo' ? etagOfObject(object) : content.etag.replaceAll('"', '')
  requireCopyable(request, { etag, modifiedAt: object.modifiedAt })
  return {
    bucket,
    key,
    object,
    content,
    customerKey,
    etag,
    version: keepsVersions(bucket.container) ? versionId(named) : undefined,
  }
}

function readSource(header: string): { bucket: string; key: string; version: string | undefined } {
  const mark = header.indexOf('?versionId=')
  const path = mark < 0 ? header : header.slice(0, mark)
  const version = mark < 0 ? undefined : header.slice(mark + '?versionId='.length)
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return refuse('InvalidArgument', 'x-amz-copy-source is not valid percent-encoding')
  }
  const found = /^\/?([^/]+)\/(.+)$/s.exec(decoded)
  if (!found)
    refuse('InvalidArgument', 'Invalid copy source object key', {
      ArgumentName: 'x-amz-copy-source',
      ArgumentValue: header,
    })
  return { bucket: found[1]!, key: found[2]!, version }
}

export async function copyObject(request: ObjectRequest): Promise<Answer> {
  const { key, bucket } = request
  requireKey(key)
  const directive = request.header('x-amz-metadata-directive') ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE')
    refuse('InvalidArgument', 'Unknown metadata directive.', {
      ArgumentName: 'x-amz-metadata-directive',
      ArgumentValue: directive,
    })
  const source = await findSource(request)
  const isSelf = source.bucket.container.id === bucket.container.id && source.key === key
  const says = [
    'x-amz-storage-class',
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-customer-algorithm',
    'x-amz-website-redirect-location',
    'x-amz-checksum-algorithm',
  ]
  const hasVersion = /\?versionId=/.test(request.header('x-amz-copy-source') ?? '')
  if (isSelf && directive === 'COPY' && !hasVersion && !says.some((name) => request.header(name) !== undefined))
    refuse(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  if (source.content.size > mostBytes)
    refuse(
      'InvalidRequest',
      'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
    )
  const extras = readExtras(request)
  const facts: ObjectFacts = {
    ...(directive === 'REPLACE' ? readFacts(request) : factsOf(source.object)),
    ...extras,
    ...(readTaggingDirective(request) === 'COPY' && { tags: source.object.tags }),
  }
  const algorithm = readAlgorithm(request.header('x-amz-checksum-algorithm'))
  const { bytes, shared } = await bytesFor(request, source, algorithm)
  const made = await storeReceived(request, bytes, facts, { shared, event: 'ObjectCreated:Copy' })
  return xmlAnswer(
    'CopyObjectResult',
    { LastModified: isoTime(made.modifiedAt), ETag: quoted(bytes.etag), ...checksumElements(bytes.checksums) },
    {
      ...versionHeader(request, made),
      ...encryptionHeaders(request, bytes.sealed),
      ...(source.version !== undefined && { 'x-amz-copy-source-version-id': source.version }),
    },
  )
}

function readTaggingDirective(request: ObjectRequest): 'COPY' | 'REPLACE' {
  const directive = request.header('x-amz-tagging-directive') ?? 'COPY'
  return directive === 'COPY' || directive === 'REPLACE'
    ? directive
    : refuse('InvalidArgument', 'Unknown tagging directive.', {
        ArgumentName: 'x-amz-tagging-directive',
        ArgumentValue: directive,
      })
}

function factsOf({ contentType, metadata, headers }: StoredObject): ObjectFacts {
  // what names segments of Swift's is no matter of the copy: it has the bytes themselves
  const { 'x-object-manifest': _, ...kept } = headers
  return { contentType, metadata, headers: kept }
}

async function bytesFor(
  request: ObjectRequest,
  { object, content, customerKey }: Source,
  algorithm: Algorithm | undefined,
): Promise<{ bytes: Received; shared: boolean }> {
  const storageClass = storageClassOf(request)
  const kept = keptOf(object.checksums)
  const plain = object.kind === 'plain' && object.headers['x-object-manifest'] === undefined
  // an etag of parts is not that of a copy, which has none
  const whole = !object.etag.includes('-') && kept?.type !== 'COMPOSITE'
  const known = algorithm === undefined || kept?.algorithm === algorithm
  const wanted = algorithm ?? kept?.algorithm
  const options = { storageClass, checksums: wanted ? { [wanted]: digestOf(wanted) } : {} }
  if (plain && whole && known) {
    const wish = readWish(request)
    const anew = object.storageClass !== storageClass
    return copyBytes(request.world, object, { whose: request.bucket.whose, wish, customerKey, anew, ...options })
  }
  const sealing = await sealingFor(request)
  const bytes = await receive(request.world, await allOf(content), { ...options, length: content.size, sealing })
  return { bytes, shared: false }
}

export async function allOf(content: Content, range = { start: 0, end: content.size - 1 }): Promise<Pieces> {
  return inTurn(await content.open(range))
}
