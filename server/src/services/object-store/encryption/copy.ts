// The bytes of an object for another one: shared where both may have the same data key, else read and encrypted anew.
import { inTurn } from '#lib/pieces.ts'
import type { World } from '#lib/world.ts'
import type { Whose } from '../containers.ts'
import type { StoredObject } from '../model.ts'
import { bytesOf, type Received } from '../store/bytes.ts'
import { readBytes } from '../store/read.ts'
import { receive, type ReceiveOptions } from '../store/receive.ts'
import type { EncryptionWish } from './sealed.ts'
import { openDataKey, startSealing, wrapDataKey } from './sealing.ts'

export interface CopyWish extends Pick<ReceiveOptions, 'storageClass' | 'checksums'> {
  /** The owner of the copy, whose keys wrap its data key. */
  whose: Whose
  wish: EncryptionWish
  /** Of the object that is copied, where its bytes are encrypted with one. */
  customerKey?: Buffer | undefined
  /** The etag is the md5 of the bytes, however they are encrypted. */
  plainEtag?: boolean
  /** Not to be shared, whatever the encryption says (another storage class). */
  anew?: boolean
}

/**
 * What a copy is made of. `shared`: the blobs are those of the object, to be counted once more; else they are new, and whoever
 * asked stores them or gives them back.
 */
export async function copyBytes(
  world: World,
  object: StoredObject,
  { whose, wish, customerKey, plainEtag = false, anew = false, ...options }: CopyWish,
): Promise<{ bytes: Received; shared: boolean }> {
  if (!anew) {
    const same = await inSameWay(world, object, whose, wish)
    if (same) return { bytes: same, shared: same.extents !== null }
  }
  const opened = inTurn(await readBytes(world, object, 0, object.size - 1, customerKey))
  const sealing = await startSealing(world, whose, wish).catch(async (error: unknown) => {
    await opened.return()
    throw error
  })
  return {
    bytes: await receive(world, opened, {
      length: object.size,
      ...options,
      sealing: sealing && { ...sealing, opaqueEtag: sealing.opaqueEtag && !plainEtag },
    }),
    shared: false,
  }
}

// A data key may be wrapped by the deployment's keys of several projects, so that copies share their bytes; under a named key
// only where it is the same key, for its owner may destroy it and with it what it encrypts. That of a customer is nobody's else.
async function inSameWay(
  world: World,
  object: StoredObject,
  whose: Whose,
  wish: EncryptionWish,
): Promise<Received | undefined> {
  const { sealed } = object
  const bytes = bytesOf(object)
  if (!sealed) return wish.mode === 'none' || isEmptyLink(object) ? bytes : undefined
  if (wish.mode !== sealed.mode || wish.mode === 'sse-c' || sealed.mode === 'sse-c') return undefined
  const dataKey = await openDataKey(world, sealed, undefined)
  const wrapped = await wrapDataKey(world, whose, wish, dataKey)
  if (wrapped.mode === 'sse-kms' && sealed.mode === 'sse-kms' && wrapped.keyId !== sealed.keyId) return undefined
  return { ...bytes, sealed: sealed.salt === undefined ? wrapped : { ...wrapped, salt: sealed.salt } }
}

// Manifests and links have no bytes of their own.
const isEmptyLink = ({ kind }: StoredObject) => kind !== 'plain'
