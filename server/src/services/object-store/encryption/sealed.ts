// What stands beside encrypted bytes in the database, and in which ways bytes can be asked to be encrypted.

/** Bound to a data key that is wrapped: unwrapping asks for the same. */
export type KeyContext = Readonly<Record<string, string>>

/** A data key in the form in which it is kept. */
export interface WrappedKey {
  keyId: string
  keyVersion: number
  /** Sealed under that version of that key, base64. */
  dataKey: string
}

/**
 * How an object's bytes are encrypted. sse-s3: under the project's storage key; sse-kms: under a key that its owner may name;
 * sse-c: under a key that comes with every request and is kept nowhere.
 */
export type Sealed = (
  | ({ mode: 'sse-s3' } & WrappedKey)
  | ({ mode: 'sse-kms'; context: KeyContext } & WrappedKey)
  | { mode: 'sse-c'; dataKey: string }
) & {
  /** Of the bytes in the row, base64; blobs have one each. */
  salt?: string
}
/** What a blob has of its own; base64. */
export interface BlobSeal {
  salt: string
}

/** How bytes are to be encrypted. No context: the object store's own. */
export type EncryptionWish =
  | { mode: 'none' }
  | { mode: 'sse-s3' }
  | { mode: 'sse-kms'; keyId?: string | undefined; context?: KeyContext }
  | { mode: 'sse-c'; customerKey: Buffer }

/** What a bucket encrypts with where a request says nothing. */
export type DefaultEncryption = { mode: 'sse-s3' } | { mode: 'sse-kms'; keyId?: string }
