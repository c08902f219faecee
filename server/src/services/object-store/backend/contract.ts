// What a place for bytes must do. `conformance.ts` is the contract as tests; every backend passes it.
import type { Readable } from 'node:stream'

export interface BlobInfo {
  id: string
  size: number
  /** Milliseconds since 1970 of the last write to it. */
  changedAtMs: number
  /** Its writer has not finished, or was killed. */
  unfinished: boolean
}

export interface Backend {
  readonly name: string
  /**
   * Takes the bytes in order; when it returns they are durable and can be read, and before that nobody sees any of them.
   * When it throws (or `data` does) nothing is left. Throws overQuota with code '507' when there is no room.
   */
  write(id: string, data: AsyncIterable<Buffer>): Promise<{ size: number }>
  /** Bytes `start` to `end`, both inclusive; all of them without a range. Throws BlobMissing before the first byte. */
  read(id: string, range?: { start: number; end: number }): Promise<Readable>
  /** What an unfinished writer left goes too. That it is gone already is fine. */
  remove(id: string): Promise<void>
  /** Everything there is, what killed writers left included. */
  list(): AsyncIterable<BlobInfo>
}

export class BlobMissing extends Error {
  constructor(id: string) {
    super(`blob ${id} is not there`)
    this.name = 'BlobMissing'
  }
}
