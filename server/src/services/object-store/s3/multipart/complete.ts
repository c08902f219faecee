// CompleteMultipartUpload: the parts that were named become one object, in one transaction.
import { createHash } from 'node:crypto'
import type { Tx } from '#lib/db.ts'
import { archive } from '../../archive.ts'
import type { Part, Upload } from '../../model.ts'
import { hasRoom } from '../../quota.ts'
import type { Received } from '../../store/bytes.ts'
import { putObject } from '../../store/put.ts'
import { findObject } from '../../store/read.ts'
import { endUpload, findUpload, listParts, takeUpload } from '../../uploads.ts'
import { type Answer, quoted, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { type Algorithm, checksumElements, elementOf, joinChecksums, readClaim } from '../wire/checksums.ts'
import { readWriteCondition } from '../objects/conditions.ts'
import { encryptionHeaders } from '../objects/encryption.ts'
import { refuse } from '../wire/errors.ts'
import { uploadIdOf } from './parts.ts'
import { versionHeader } from '../objects/put.ts'
import type { ObjectRequest } from '../wire/request.ts'
import type { Element } from '../wire/xml.ts'

const mostParts = 10_000
const leastPartBytes = 5 << 20
const mostObjectBytes = 5 * 1024 ** 4
const mostDocumentBytes = 4 << 20

interface Named {
  number: number
  etag: string
  element: Element
}

export async function completeMultipartUpload(request: ObjectRequest): Promise<Answer> {
  const { db, bucket, key } = request
  const id = uploadIdOf(request) ?? refuse('NoSuchUpload')
  const named = readParts(await readXml(request, 'CompleteMultipartUpload', mostDocumentBytes))
  const known = await findUpload(db, bucket.container.id, key, id)
  if (!known) return completedBefore(request, id)
  const made = await db.transaction(async (tx) => {
    const upload = await takeUpload(tx, id)
    return upload && complete(tx, request, upload, named)
  })
  if (!made) return completedBefore(request, id)
  const headers = { ...versionHeader(request, made), ...encryptionHeaders(request, made.bytes.sealed) }
  return answerOf(request, made.bytes, headers)
}

function readParts(document: Element): Named[] {
  const named = document.children('Part').map((element) => {
    const number = element.textOf('PartNumber') ?? ''
    const etag = element.textOf('ETag') ?? refuse('MalformedXML')
    if (!/^\d{1,5}$/.test(number)) refuse('MalformedXML')
    return { number: Number(number), etag: etag.replaceAll('"', '').trim(), element }
  })
  if (named.length === 0 || named.length > mostParts) refuse('MalformedXML')
  for (const [i, { number }] of named.entries()) if (i > 0 && number <= named[i - 1]!.number) refuse('InvalidPartOrder')
  return named
}

async function complete(tx: Tx, request: ObjectRequest, upload: Upload, named: Named[]) {
  const { bucket, key } = request
  const { container, whose } = bucket
  const there = new Map((await listParts(tx, upload.id, 0, mostParts)).map((part) => [part.number, part]))
  const parts = named.map(({ number, etag, element }) => {
    const part = there.get(number)
    if (!part || part.etag !== etag) refuse('InvalidPart', undefined, { PartNumber: String(number), ETag: etag })
    requireSamePart(upload, part, element)
    return part
  })
  for (const part of parts.slice(0, -1))
    if (part.size < leastPartBytes)
      refuse('EntityTooSmall', undefined, {
        ProposedSize: String(part.size),
        MinSizeAllowed: String(leastPartBytes),
        PartNumber: String(part.number),
        ETag: part.etag,
      })
  const bytes = joined(request, upload, parts)
  if (bytes.size > mostObjectBytes) refuse('EntityTooLarge')
  if (!(await hasRoom(tx, bucket, key, bytes.size))) refuse('QuotaExceeded')
  if (container.versions === 'stack' || container.versions === 'history') await archive(tx, whose, container, key)
  await endUpload(tx, upload.id, new Set(parts.map(({ number }) => number)))
  const algorithm = upload.checksum?.algorithm
  const manifest = {
    upload: upload.id,
    parts: parts.map(({ number, size, checksums }) => {
      return { number, size, ...(algorithm !== undefined && { checksum: checksums[algorithm]! }) }
    }),
  }
  const before = readWriteCondition(request)
  const facts = { ...upload.facts, manifest }
  return {
    bytes,
    ...(await putObject(tx, container, key, bytes, facts, {
      ...(before && { before }),
      held: true,
      event: 'ObjectCreated:CompleteMultipartUpload',
    })),
  }
}

function requireSamePart({ checksum }: Upload, part: Part, element: Element): void {
  if (!checksum) return
  const given = element.textOf(elementOf(checksum.algorithm as Algorithm))
  if (given === undefined ? checksum.type === 'COMPOSITE' : given !== part.checksums[checksum.algorithm])
    refuse('InvalidPart', undefined, { PartNumber: String(part.number), ETag: part.etag })
}

function joined(request: ObjectRequest, upload: Upload, parts: Part[]): Received {
  const md5 = createHash('md5')
  for (const { etag } of parts) md5.update(Buffer.from(etag, 'hex'))
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const asked = request.header('x-amz-mp-object-size')
  if (asked !== undefined && Number(asked) !== size)
    refuse('InvalidRequest', 'The provided x-amz-mp-object-size does not match the size of the parts.')
  const digest = md5.digest('hex')
  return {
    size,
    etag: `${digest}-${parts.length}`,
    md5: digest,
    data: size === 0 ? Buffer.alloc(0) : null,
    extents: size === 0 ? null : parts.flatMap(({ extents }) => extents),
    storageClass: upload.storageClass,
    checksums: joinedChecksum(request, upload, parts),
    sealed: upload.sealed,
  }
}

function joinedChecksum(request: ObjectRequest, { checksum }: Upload, parts: Part[]): Record<string, string> {
  if (!checksum) return {}
  const how = { algorithm: checksum.algorithm as Algorithm, type: checksum.type }
  const pieces = parts.map(({ size, checksums }) => ({ size, checksum: checksums[how.algorithm]! }))
  const value = joinChecksums(how, pieces)
  const claim = how.type === 'FULL_OBJECT' ? readClaim(request) : undefined
  if (claim && (claim.algorithm !== how.algorithm || claim.value() !== value))
    refuse('BadDigest', 'The checksum you specified did not match the calculated checksum.')
  return { [how.algorithm]: value, type: how.type }
}

/** A client that did not hear the first answer asks again: it is told the same, while the object is the one it made. */
async function completedBefore(request: ObjectRequest, id: string): Promise<Answer> {
  const { db, bucket, key } = request
  const now = await findObject(db, bucket.container.id, key)
  if (!now?.manifest || !('upload' in now.manifest) || now.manifest.upload !== id) return refuse('NoSuchUpload')
  return answerOf(request, now, { ...versionHeader(request, now), ...encryptionHeaders(request, now.sealed) })
}

function answerOf(
  request: ObjectRequest,
  made: { etag: string; checksums: Record<string, string> },
  headers: Record<string, string>,
): Answer {
  const { bucket, key, target, origin } = request
  const path = key.split('/').map(encodeURIComponent).join('/')
  return xmlAnswer(
    'CompleteMultipartUploadResult',
    {
      Location: target.virtual ? `${origin}/${path}` : `${origin}/${bucket.container.name}/${path}`,
      Bucket: bucket.container.name,
      Key: key,
      ETag: quoted(made.etag),
      ...checksumElements(made.checksums),
    },
    headers,
  )
}
