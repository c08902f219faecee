// Uploads in parts: begun, parts taken in or copied, listed, given up. Completing is in complete.ts.
import { isUuid } from '#lib/id.ts'
import type { Upload } from '../../model.ts'
import { hasRoomForPart } from '../../quota.ts'
import type { Received } from '../../store/bytes.ts'
import { discard, receive } from '../../store/receive.ts'
import { beginUpload, endUpload, findUpload, listParts, listUploads, putPart, takeUpload } from '../../uploads.ts'
import { resumeSealing } from '../../encryption/sealing.ts'
import { parseRanges } from '../../swift/ranges.ts'
import { type Answer, isoTime, quoted, xmlAnswer, owner } from '../wire/answer.ts'
import { readLimit } from '../buckets/buckets.ts'
import {
  type Algorithm,
  checksumElements,
  checksumHeaders,
  digestOf,
  elementOf,
  nameOf,
  readUploadChecksum,
} from '../wire/checksums.ts'
import { encryptionHeaders, readCustomerKey, sealingFor } from '../objects/encryption.ts'
import { refuse } from '../wire/errors.ts'
import { readFacts } from '../objects/metadata.ts'
import { allOf, findSource } from '../objects/copy.ts'
import { mostBytes, receiveBody, storageClassOf } from '../objects/put.ts'
import { type BucketRequest, type ObjectRequest, requireKey } from '../wire/request.ts'
import { encode } from '../wire/sigv4.ts'
import type { Content } from '../wire/xml.ts'

const mostParts = 10_000
const mostListed = 1000

/** Ids are shown without hyphens. */
export const uploadText = (id: string) => id.replaceAll('-', '')
function readUploadId(text: string): string | undefined {
  const id = text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return isUuid(id) ? id : undefined
}
export function uploadIdOf(request: ObjectRequest): string | undefined {
  return readUploadId(request.query.get('uploadId') ?? '')
}

/** Throws NoSuchUpload. */
async function getUpload(request: ObjectRequest): Promise<Upload> {
  const id = uploadIdOf(request)
  const found = id && (await findUpload(request.db, request.bucket.container.id, request.key, id))
  return found || refuse('NoSuchUpload', undefined, { UploadId: request.query.get('uploadId') ?? '' })
}

export async function createMultipartUpload(request: ObjectRequest): Promise<Answer> {
  const { db, bucket, key, actor } = request
  requireKey(key)
  const checksum = readUploadChecksum(request) ?? null
  const facts = readFacts(request)
  const sealing = await sealingFor(request)
  const spec = {
    containerId: bucket.container.id,
    name: key,
    initiator: actor.userId,
    facts,
    storageClass: storageClassOf(request),
    checksum,
    sealed: sealing?.sealed ?? null,
  }
  const upload = await db.transaction((tx) => beginUpload(tx, spec))
  return xmlAnswer(
    'InitiateMultipartUploadResult',
    { Bucket: bucket.container.name, Key: key, UploadId: uploadText(upload.id) },
    {
      ...(checksum && { 'x-amz-checksum-algorithm': nameOf(checksum.algorithm), 'x-amz-checksum-type': checksum.type }),
      ...encryptionHeaders(request, upload.sealed),
    },
  )
}

/** How the parts of an upload are taken in: each of them is a blob, for they are joined as they are. */
async function partOptions(request: ObjectRequest, upload: Upload) {
  const customer = readCustomerKey(request)
  if (customer && upload.sealed?.mode !== 'sse-c')
    refuse('InvalidRequest', 'The multipart upload was initiated without the encryption that its parts ask for.')
  const sealing = upload.sealed ? await resumeSealing(request.world, upload.sealed, customer?.key) : undefined
  return { storageClass: upload.storageClass, sealing, inlineUpTo: 0 }
}

function readPartNumber({ query }: ObjectRequest): number {
  const text = query.get('partNumber') ?? ''
  const number = Number(text)
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > mostParts)
    refuse('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', {
      ArgumentName: 'partNumber',
      ArgumentValue: text,
    })
  return number
}

const algorithmOf = (upload: Upload) => upload.checksum?.algorithm as Algorithm | undefined

export async function uploadPart(request: ObjectRequest): Promise<Answer> {
  const { body } = request
  const number = readPartNumber(request)
  const upload = await getUpload(request)
  if (body.length !== undefined && body.length > mostBytes)
    refuse('EntityTooLarge', undefined, { ProposedSize: String(body.length), MaxSizeAllowed: String(mostBytes) })
  await requireRoom(request, body.length ?? 0)
  const received = await receiveBody(request, await partOptions(request, upload), algorithmOf(upload))
  await keepPart(request, upload, number, received)
  const encryption = encryptionHeaders(request, upload.sealed)
  return {
    status: 200,
    headers: { ETag: quoted(received.etag), ...checksumHeaders(received.checksums), ...encryption },
  }
}

export async function uploadPartCopy(request: ObjectRequest): Promise<Answer> {
  const { world } = request
  const number = readPartNumber(request)
  const upload = await getUpload(request)
  const source = await findSource(request)
  const { content } = source
  const header = request.header('x-amz-copy-source-range')
  let range = { start: 0, end: content.size - 1 }
  if (header !== undefined) {
    const found = /^bytes=\d+-\d+$/.test(header) ? parseRanges(header, content.size) : undefined
    const last = Number(header.split('-')[1])
    if (found === undefined || found === 'none' || last >= content.size)
      return refuse('InvalidArgument', `Range specified is not valid for source object of size: ${content.size}`)
    range = found[0]!
  }
  if (range.end - range.start + 1 > mostBytes) refuse('EntityTooLarge')
  await requireRoom(request, range.end - range.start + 1)
  const algorithm = algorithmOf(upload)
  const options = await partOptions(request, upload)
  const received = await receive(world, await allOf(content, range), {
    ...options,
    length: range.end - range.start + 1,
    checksums: algorithm ? { [algorithm]: digestOf(algorithm) } : {},
  })
  const at = await keepPart(request, upload, number, received)
  return xmlAnswer(
    'CopyPartResult',
    { LastModified: isoTime(at), ETag: quoted(received.etag), ...checksumElements(received.checksums) },
    {
      ...(source.version !== undefined && { 'x-amz-copy-source-version-id': source.version }),
      ...encryptionHeaders(request, upload.sealed),
    },
  )
}

async function requireRoom({ db, bucket, key }: ObjectRequest, size: number): Promise<void> {
  if (!(await hasRoomForPart(db, bucket, key, size))) refuse('QuotaExceeded')
}

async function keepPart(request: ObjectRequest, upload: Upload, number: number, received: Received): Promise<Date> {
  const { db, world } = request
  const { size, etag, checksums } = received
  const algorithm = algorithmOf(upload)
  const kept: Record<string, string> = algorithm ? { [algorithm]: checksums[algorithm]! } : {}
  const part = { uploadId: upload.id, number, size, etag, checksums: kept, extents: received.extents ?? [] }
  try {
    if (!(await db.transaction((tx) => putPart(tx, part))))
      refuse('NoSuchUpload', undefined, { UploadId: uploadText(upload.id) })
  } catch (error) {
    await discard(world, received, error)
    throw error
  }
  return new Date()
}

export async function abortMultipartUpload(request: ObjectRequest): Promise<Answer> {
  const upload = await getUpload(request)
  await request.db.transaction(async (tx) => {
    if (!(await takeUpload(tx, upload.id))) refuse('NoSuchUpload')
    await endUpload(tx, upload.id, new Set())
  })
  return { status: 204, headers: {} }
}

export async function listUploadParts(request: ObjectRequest): Promise<Answer> {
  const { db, bucket, key, query } = request
  const upload = await getUpload(request)
  const limit = readLimit(query.get('max-parts'), 'max-parts', mostListed)
  const after = readLimit(query.get('part-number-marker') || '0', 'part-number-marker', mostParts)
  const rows = limit === 0 ? [] : await listParts(db, upload.id, after, limit + 1)
  const shown = rows.slice(0, limit)
  const more = rows.length > limit
  const algorithm = algorithmOf(upload)
  return xmlAnswer('ListPartsResult', {
    Bucket: bucket.container.name,
    Key: key,
    UploadId: uploadText(upload.id),
    Initiator: owner(upload.initiator),
    Owner: owner(bucket.whose.projectId),
    StorageClass: upload.storageClass,
    PartNumberMarker: after,
    NextPartNumberMarker: shown.at(-1)?.number ?? after,
    MaxParts: limit,
    IsTruncated: more,
    ChecksumAlgorithm: algorithm && nameOf(algorithm),
    ChecksumType: upload.checksum?.type,
    Part: shown.map(({ number, size, etag, modifiedAt, checksums }) => ({
      PartNumber: number,
      LastModified: isoTime(modifiedAt),
      ETag: quoted(etag),
      Size: size,
      ...(algorithm && { [elementOf(algorithm)]: checksums[algorithm] }),
    })),
  })
}

export async function listMultipartUploads(request: BucketRequest): Promise<Answer> {
  const { db, bucket, query } = request
  const limit = readLimit(query.get('max-uploads'), 'max-uploads', mostListed, 1)
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? '']
  const keyMarker = query.get('key-marker') ?? ''
  const idText = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '')
  const idMarker = idText === '' ? '' : (readUploadId(idText) ?? refuse('InvalidArgument', 'Invalid uploadId marker'))
  const write =
    query.get('encoding-type') === 'url'
      ? (name: string) => name.split('/').map(encode).join('/')
      : (name: string) => name
  const shown: Content[] = []
  const folders = new Set<string>()
  let [last, lastId, more] = ['', '', false]
  let window = { prefix, keyMarker, idMarker, limit: mostListed + 1 }
  rows: for (;;) {
    const rows = await listUploads(db, bucket.container.id, window)
    for (const row of rows) {
      const cut = delimiter === '' ? -1 : row.name.indexOf(delimiter, prefix.length)
      const folder = cut < 0 ? undefined : row.name.slice(0, cut + delimiter.length)
      if (folder !== undefined && (folders.has(folder) || folder === keyMarker)) continue
      if (shown.length + folders.size === limit) {
        more = true
        break rows
      }
      ;[last, lastId] = folder === undefined ? [row.name, uploadText(row.id)] : [folder, '']
      if (folder !== undefined) folders.add(folder)
      else
        shown.push({
          Key: write(row.name),
          UploadId: lastId,
          Initiator: owner(row.initiator),
          Owner: owner(bucket.whose.projectId),
          StorageClass: row.storageClass,
          Initiated: isoTime(row.createdAt),
          ...(row.checksum && {
            ChecksumAlgorithm: nameOf(row.checksum.algorithm as Algorithm),
            ChecksumType: row.checksum.type,
          }),
        })
    }
    const end = rows.at(-1)
    if (!end || rows.length <= mostListed) break
    window = { ...window, keyMarker: end.name, idMarker: end.id }
  }
  return xmlAnswer('ListMultipartUploadsResult', {
    Bucket: bucket.container.name,
    KeyMarker: write(keyMarker),
    UploadIdMarker: idText,
    NextKeyMarker: more ? write(last) : undefined,
    NextUploadIdMarker: more ? lastId : undefined,
    Prefix: write(prefix),
    Delimiter: delimiter === '' ? undefined : write(delimiter),
    EncodingType: query.get('encoding-type') || undefined,
    MaxUploads: limit,
    IsTruncated: more,
    Upload: shown,
    CommonPrefixes: [...folders].map((folder) => ({ Prefix: write(folder) })),
  })
}
