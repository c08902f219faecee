// What a place for bytes must do. `conformance.ts` is the contract as tests; every backend passes it.
import type { Pieces } from '#lib/pieces.ts'

export interface BlobInfo {
  id: string
  /** Milliseconds since 1970 of the last write to it. */
  changedAtMs: number
}

/** One disk, one bucket: what an administrator looks at. */
export interface Place {
  where: string
  available: boolean
  freeBytes?: number
  totalBytes?: number
}

export interface Checked {
  state: 'whole' | 'missing' | 'corrupt'
  /** Copies that were made anew. */
  repaired: number
}

export interface Backend {
  readonly name: string
  /**
   * Takes the bytes in order, each piece done with when it asks for the next one; when it returns they are durable, in as
   * many copies as the backend promises, and can be read; before that nobody sees any of them. When it throws (or `data`
   * does) nothing is left. Throws noSpace when there is no room, unavailable when the place does not answer.
   */
  write(id: string, data: AsyncIterable<Buffer>): Promise<{ size: number }>
  /**
   * Bytes `start` to `end`, both inclusive; all of them without a range. Every byte was verified before it is given; where one
   * cannot be had right the pieces end with an error. Throws BlobMissing or BlobCorrupt before the first byte.
   */
  read(id: string, range?: { start: number; end: number }): Promise<Pieces>
  /** That it is gone already is fine. */
  remove(id: string): Promise<void>
  /** Every finished blob, whosever it is. */
  list(): AsyncIterable<BlobInfo>
  /** Removes what writers left unfinished that have written nothing for so long; how many it was. */
  removeUnfinished(olderThanMs: number): Promise<number>
  /**
   * Sees that the blob is there in as many copies as it should be, each where it should be, and makes what is missing from
   * a good one. `deep`: every byte is read. `paced` is awaited for each piece that was read.
   */
  check(id: string, how: { deep: boolean; paced?: (bytes: number) => Promise<void> }): Promise<Checked>
  places(): Promise<Place[]>
  /** True when a place is new, or lost what it had: then each blob is to be checked, and `filled` called. */
  wantsFilling(): Promise<boolean>
  filled(): Promise<void>
}

export class BlobMissing extends Error {
  constructor(id: string) {
    super(`blob ${id} is not there`)
    this.name = 'BlobMissing'
  }
}

/** No copy of it is right. */
export class BlobCorrupt extends Error {
  constructor(id: string) {
    super(`blob ${id} is not what was written`)
    this.name = 'BlobCorrupt'
  }
}
