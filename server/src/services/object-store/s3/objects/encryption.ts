// Encryption in S3's headers: what a request asks for, which key it brings, what a reply says.
import { createHash } from 'node:crypto'
import { defaultEncryption } from '../../encryption/default.ts'
import { keyArn } from '../../encryption/project-keys.ts'
import type { EncryptionWish, KeyContext, Sealed } from '../../encryption/sealed.ts'
import { openDataKey, type Sealing, startSealing } from '../../encryption/sealing.ts'
import type { StoredObject } from '../../model.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest, S3Request } from '../wire/request.ts'

const prefix = 'x-amz-server-side-encryption'

/** A key that the customer brought. */
export interface CustomerKey {
  key: Buffer
  md5: string
}

/**
 * How the bytes of this request are to be encrypted: as its headers say, else as the bucket or the deployment does. For
 * PutObject, CopyObject, CreateMultipartUpload.
 */
export function readWish(request: BucketRequest): EncryptionWish {
  const algorithm = request.header(prefix)
  const keyId = request.header(`${prefix}-aws-kms-key-id`)
  const context = request.header(`${prefix}-context`)
  const customer = readCustomerKey(request)
  if (customer) {
    if (algorithm !== undefined || keyId !== undefined)
      refuse(
        'InvalidArgument',
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      )
    return { mode: 'sse-c', customerKey: customer.key }
  }
  if (algorithm !== 'aws:kms' && (keyId !== undefined || context !== undefined))
    refuse('InvalidArgument', `A key or a context of the key manager needs the header ${prefix}: aws:kms`)
  if (algorithm === undefined) return defaultEncryption(request.world, request.bucket.container)
  if (algorithm === 'AES256') return { mode: 'sse-s3' }
  if (algorithm === 'aws:kms')
    return { mode: 'sse-kms', keyId: keyId || undefined, context: context === undefined ? {} : readContext(context) }
  if (algorithm === 'aws:kms:dsse')
    refuse('NotImplemented', 'Encryption in two layers (aws:kms:dsse) is not supported; use aws:kms.')
  return refuse('InvalidArgument', 'The encryption method specified is not supported', {
    ArgumentName: prefix,
    ArgumentValue: algorithm,
  })
}

/** What the bytes of this request are encrypted with; undefined: nothing. */
export function sealingFor(request: BucketRequest): Promise<Sealing | undefined> {
  return startSealing(request.world, request.bucket.whose, readWish(request))
}

/**
 * The customer's key that a request brings for an object it reads (`source`: that it copies). Throws when the object has
 * another one, or none; asked before anything is told of the object.
 */
export async function requireCustomerKey(
  request: S3Request,
  object: Pick<StoredObject, 'sealed'>,
  of: 'object' | 'source' = 'object',
): Promise<Buffer | undefined> {
  const customer = readCustomerKey(request, of)
  if (object.sealed?.mode === 'sse-c') await openDataKey(request.world, object.sealed, customer?.key)
  else if (customer) refuse('InvalidRequest', 'The encryption parameters are not applicable to this object.')
  return customer?.key
}

function readContext(base64: string): KeyContext {
  let pairs: unknown
  try {
    pairs = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'))
  } catch {
    pairs = undefined
  }
  const good =
    typeof pairs === 'object' &&
    pairs !== null &&
    !Array.isArray(pairs) &&
    Object.values(pairs).every((value) => typeof value === 'string')
  if (!good) refuse('InvalidArgument', 'The encryption context must be a JSON object of strings, base64-encoded.')
  return pairs as KeyContext
}

/** The key that a request brings for the object it reads or writes, or (`source`) for the one it copies. */
export function readCustomerKey(request: S3Request, of: 'object' | 'source' = 'object'): CustomerKey | undefined {
  const names = `${of === 'source' ? 'x-amz-copy-source-server-side-encryption' : prefix}-customer`
  const algorithm = request.header(`${names}-algorithm`)
  const text = request.header(`${names}-key`)
  const md5 = request.header(`${names}-key-md5`)
  if (algorithm === undefined && text === undefined && md5 === undefined) return undefined
  if (algorithm === undefined)
    refuse(
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
    )
  if (algorithm !== 'AES256')
    refuse(
      'InvalidEncryptionAlgorithmError',
      'The Encryption request you specified is not valid. Supported value: AES256.',
    )
  if (text === undefined)
    refuse(
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
    )
  if (md5 === undefined)
    refuse(
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.',
    )
  if (!request.secure && !isLoopback(request.remoteAddress))
    refuse(
      'InvalidRequest',
      'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
    )
  const key = Buffer.from(text, 'base64')
  if (key.length !== 32) refuse('InvalidArgument', 'The secret key was invalid for the specified algorithm.')
  if (createHash('md5').update(key).digest('base64') !== md5)
    refuse('InvalidArgument', 'The calculated MD5 hash of the key did not match the hash that was provided.')
  return { key, md5 }
}

// such a key has not crossed a network
const isLoopback = (address: string) => address === '::1' || /^(::ffff:)?127\./.test(address)

/** What replies say about how an object, or an upload that is to become one, is encrypted. */
export function encryptionHeaders(request: BucketRequest, sealed: Sealed | null): Record<string, string> {
  if (!sealed) return {}
  switch (sealed.mode) {
    case 'sse-s3':
      return { [prefix]: 'AES256' }
    case 'sse-kms':
      return {
        [prefix]: 'aws:kms',
        [`${prefix}-aws-kms-key-id`]: keyArn(request.bucket.whose.region, request.bucket.whose.projectId, sealed.keyId),
      }
    default: {
      const customer = readCustomerKey(request)
      return {
        [`${prefix}-customer-algorithm`]: 'AES256',
        ...(customer && { [`${prefix}-customer-key-MD5`]: customer.md5 }),
      }
    }
  }
}
