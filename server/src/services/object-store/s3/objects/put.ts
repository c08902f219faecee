// PutObject, and what every write of an object has in common.
import { Fault } from '#lib/fault.ts'
import { backendOfClass } from '../../backends.ts'
import { standard } from '../../model.ts'
import { hasRoom } from '../../quota.ts'
import { storeObject } from '../../store-object.ts'
import type { EventName } from '../../notification/rules.ts'
import type { Received } from '../../store/bytes.ts'
import type { ObjectFacts, Put } from '../../store/put.ts'
import { discard, receive, type ReceiveOptions } from '../../store/receive.ts'
import { type Answer, quoted } from '../wire/answer.ts'
import { readMd5 } from '../wire/body.ts'
import { type Algorithm, checksumHeaders, digestOf, readClaim, requireSame } from '../wire/checksums.ts'
import { readWriteCondition } from './conditions.ts'
import { encryptionHeaders, sealingFor } from './encryption.ts'
import { refuse } from '../wire/errors.ts'
import { keepsVersions, readFacts, versionId } from './metadata.ts'
import { type BucketRequest, type ObjectRequest, requireKey } from '../wire/request.ts'

export const mostBytes = 5 * 1024 ** 3

/** The class that a write asks for, else the bucket's. Throws InvalidStorageClass for one that there is not. */
export function storageClassOf(request: BucketRequest): string {
  const asked = request.header('x-amz-storage-class')
  if (asked === undefined) return request.bucket.container.storageClass ?? standard
  try {
    backendOfClass(request.world, asked)
  } catch (error) {
    if (error instanceof Fault) refuse('InvalidStorageClass')
    throw error
  }
  return asked
}

export async function putObjectBytes(request: ObjectRequest): Promise<Answer> {
  const { key, body } = request
  requireKey(key)
  if (body.length !== undefined && body.length > mostBytes)
    refuse('EntityTooLarge', undefined, { ProposedSize: String(body.length), MaxSizeAllowed: String(mostBytes) })
  const facts = readFacts(request)
  await requireRoom(request, body.length ?? 0)
  const sealing = await sealingFor(request)
  const received = await receiveBody(request, { storageClass: storageClassOf(request), sealing })
  const made = await storeReceived(request, received, facts)
  return {
    status: 200,
    headers: {
      ETag: quoted(received.etag),
      ...checksumHeaders(received.checksums),
      ...versionHeader(request, made),
      ...encryptionHeaders(request, received.sealed),
    },
  }
}

/** Takes the body in and holds it to what the client says of it. Nothing is left when it is something else. */
export async function receiveBody(
  request: BucketRequest,
  options: Pick<ReceiveOptions, 'storageClass' | 'sealing' | 'inlineUpTo'>,
  always?: Algorithm,
): Promise<Received> {
  const expected = readMd5(request.header('content-md5'))
  const claim = readClaim(request)
  const names = [...new Set([claim?.algorithm, always])].filter((each) => each !== undefined)
  const checksums = Object.fromEntries(names.map((name) => [name, digestOf(name)]))
  const received = await receive(request.world, limited(request.body.stream()), {
    ...options,
    length: request.body.length,
    checksums,
  })
  try {
    if (expected !== undefined && expected !== received.md5) refuse('BadDigest')
    requireSame(claim, received.checksums)
  } catch (error) {
    await discard(request.world, received, error)
    throw error
  }
  return received
}

async function* limited(data: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let size = 0
  for await (const chunk of data) {
    size += chunk.length
    if (size > mostBytes) refuse('EntityTooLarge', undefined, { MaxSizeAllowed: String(mostBytes) })
    yield chunk
  }
}

/** Makes the bytes the object of the request's key; gives them back when they may not be. */
export async function storeReceived(
  request: ObjectRequest,
  bytes: Received,
  facts: ObjectFacts,
  { shared = false, event }: { shared?: boolean; event?: EventName } = {},
): Promise<Put> {
  const { db, bucket, key, world } = request
  try {
    const before = readWriteCondition(request)
    return await storeObject(db, bucket, key, bytes, facts, { before, shared, event, refuseFull })
  } catch (error) {
    if (!shared) await discard(world, bytes, error)
    throw error
  }
}

function refuseFull(): never {
  return refuse('QuotaExceeded')
}

/** Before the bytes come: for those that have no room at all. */
async function requireRoom({ db, bucket, key }: ObjectRequest, size: number): Promise<void> {
  if (!(await hasRoom(db, bucket, key, size))) refuseFull()
}

export function versionHeader(request: BucketRequest, { version }: { version: number }): Record<string, string> {
  const { container } = request.bucket
  if (!keepsVersions(container)) return {}
  return { 'x-amz-version-id': versionId({ version, unversioned: container.versions !== 'enabled' }) }
}
