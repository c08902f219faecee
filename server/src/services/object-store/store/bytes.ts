// Bytes that were taken in, and that no object holds yet.
import { createHash } from 'node:crypto'
import type { Sealed } from '../encryption/sealed.ts'
import { type Extent, standard, type StoredObject } from '../model.ts'

/** A further digest of the same bytes, computed as they pass; `createHash` makes one. */
export interface Digest {
  update(chunk: Buffer): unknown
  digest(encoding: 'base64'): string
}

/** Durable at the backend (or about to be in the row), and not yet anybody's. */
export interface Received {
  /** Of the bytes as the client knows them, whatever is stored. */
  size: number
  etag: string
  /** Of bytes that were just taken in: the etag need not be it. */
  md5?: string
  data: Buffer | null
  extents: Extent[] | null
  storageClass: string
  /** Algorithm → digest in base64. */
  checksums: Record<string, string>
  /** How the bytes are encrypted: their data key, for `data` and for the blobs of all extents. */
  sealed: Sealed | null
}

export const emptyBytes: Received = {
  size: 0,
  etag: createHash('md5').digest('hex'),
  data: Buffer.alloc(0),
  extents: null,
  storageClass: standard,
  checksums: {},
  sealed: null,
}

/** Bytes of an object, to be those of another one too. */
export function bytesOf(object: StoredObject): Received {
  const { size, etag, extents, storageClass, checksums, sealed } = object
  const data = extents ? null : (object.data ?? Buffer.alloc(0))
  return { size, etag, data, extents, storageClass, checksums, sealed }
}
