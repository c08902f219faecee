// What the object store asks of whoever keeps its keys. project-keys.ts keeps them in the database; a key manager of its own
// can take its place.
import type { Whose } from '../containers.ts'
import type { KeyContext, WrappedKey } from './sealed.ts'

/** storage: the deployment's for that project; else a key that the project knows, by id, name, alias or ARN, or its default. */
export type WhichKey = { purpose: 'storage' } | { purpose: 'owned'; named: string | undefined }

export interface KeyKeeper {
  /**
   * Wraps a data key (32 bytes) under the newest version of a key. Throws invalid, with the code that S3 has for it, when the
   * key is not there, disabled, or about to be deleted.
   */
  wrap(whose: Whose, which: WhichKey, dataKey: Buffer, context: KeyContext): Promise<WrappedKey>
  /** Throws as `wrap` does; and Tampered when it was not wrapped under that key with that context. */
  unwrap(wrapped: WrappedKey, context: KeyContext): Promise<Buffer>
}
