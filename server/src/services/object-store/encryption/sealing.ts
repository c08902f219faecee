// From a wish to sealed bytes and back: the data key of an object, drawn or unwrapped.
import { randomBytes } from 'node:crypto'
import { bug, invalid } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import type { Whose } from '../containers.ts'
import { unwrapForCustomer, wrapForCustomer } from './customer-key.ts'
import { newSalt, type SegmentKey, segmentKey } from './format.ts'
import { projectKeys } from './project-keys.ts'
import type { BlobSeal, EncryptionWish, Sealed } from './sealed.ts'

/** What bytes are sealed with while they are taken in. */
export interface Sealing {
  /** For the object. */
  sealed: Sealed
  dataKey: Buffer
  /** Whether the etag is to be no digest of the bytes: so it is in S3 under the keys of customers and of the key manager. */
  opaqueEtag: boolean
}

/** Draws a data key and has it wrapped as the wish says; undefined: not to be encrypted. */
export async function startSealing(world: World, whose: Whose, wish: EncryptionWish): Promise<Sealing | undefined> {
  if (wish.mode === 'none') return undefined
  const dataKey = randomBytes(32)
  return { dataKey, sealed: await wrapDataKey(world, whose, wish, dataKey), opaqueEtag: wish.mode !== 'sse-s3' }
}

/** The same data key in another wrapping: for a copy that shares the bytes. */
export async function wrapDataKey(
  world: World,
  whose: Whose,
  wish: Exclude<EncryptionWish, { mode: 'none' }>,
  dataKey: Buffer,
): Promise<Sealed> {
  const keys = projectKeys(world.db)
  switch (wish.mode) {
    case 'sse-s3':
      return { mode: 'sse-s3', ...(await keys.wrap(whose, { purpose: 'storage' }, dataKey, {})) }
    case 'sse-kms': {
      const context = wish.context ?? {}
      const wrapped = await keys.wrap(whose, { purpose: 'owned', named: wish.keyId }, dataKey, context)
      return { mode: 'sse-kms', context, ...wrapped }
    }
    case 'sse-c':
      return { mode: 'sse-c', dataKey: wrapForCustomer(dataKey, wish.customerKey) }
    default:
      return bug('a way to encrypt that there is not')
  }
}

/** The data key. Throws a Fault when it needs the customer's key, and when the key that wraps it cannot be used. */
export async function openDataKey(world: World, sealed: Sealed, customerKey: Buffer | undefined): Promise<Buffer> {
  if (sealed.mode === 'sse-c') {
    if (!customerKey)
      invalid(
        'The object was encrypted with a key of the customer: it is read with that key, in the headers of SSE-C.',
        { code: 'InvalidRequest' },
      )
    return unwrapForCustomer(sealed.dataKey, customerKey)
  }
  if (customerKey)
    invalid('The object was not encrypted with a key of the customer: the headers of SSE-C do not apply.', {
      code: 'InvalidRequest',
    })
  return projectKeys(world.db).unwrap(sealed, sealed.mode === 'sse-kms' ? sealed.context : {})
}

/** Goes on sealing with the data key of what was begun before: the parts of an upload. */
export async function resumeSealing(world: World, sealed: Sealed, customerKey: Buffer | undefined): Promise<Sealing> {
  return { sealed, dataKey: await openDataKey(world, sealed, customerKey), opaqueEtag: sealed.mode !== 'sse-s3' }
}

/** The key for the bytes of one blob (or of one row), and what has to stand beside them. It seals once. */
export function newBlobSeal({ dataKey }: Sealing): { key: SegmentKey; beside: BlobSeal } {
  const salt = newSalt()
  return { key: segmentKey(dataKey, salt), beside: { salt: salt.toString('base64') } }
}

export function blobKey(dataKey: Buffer, { salt }: BlobSeal): SegmentKey {
  return segmentKey(dataKey, Buffer.from(salt, 'base64'))
}
