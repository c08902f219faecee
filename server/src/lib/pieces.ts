// Bytes on their way, in pieces.
import { finished, type Readable } from 'node:stream'
import { borrow, free, giveBack, slabBytes } from '#lib/slab.ts'

// Not imported: see lib/http/status.ts.
const { IncomingMessage } = process.getBuiltinModule('node:http')

/**
 * Bytes in order. A piece is good until the next one is asked for, and may be written over by who got it; then its memory is
 * used again. Who stops before the end calls `return`, also when no piece was asked for.
 */
export interface Pieces {
  [Symbol.asyncIterator](): Pieces
  next(): Promise<IteratorResult<Buffer, undefined>>
  return(): Promise<IteratorResult<Buffer, undefined>>
}

export function pieces(iterator: Pick<Pieces, 'next' | 'return'>): Pieces {
  const made: Pieces = { ...iterator, [Symbol.asyncIterator]: () => made }
  return made
}

const over: IteratorReturnResult<undefined> = { done: true, value: undefined }

// what all streams of the process may hold of what has arrived and is not yet worked on, together
const mostHeldBytes = 4 << 20
const chunkBytes = 64 * 1024
let streams = 0
const fairShare = () => Math.max(chunkBytes, Math.min(slabBytes, mostHeldBytes / streams))

/**
 * The bytes of a stream. What arrives while a piece is worked on is gathered, up to a slab, and becomes the next
 * one: then the stream has to wait. Nothing is read before the first piece is asked for. After `return` what is still to come
 * is read and thrown away, for a client that still sends would not see an answer. Rejects as the stream fails, and with
 * ERR_STREAM_PREMATURE_CLOSE where it ends too early.
 */
export function piecesOf(stream: Readable): Pieces {
  const held: Buffer[] = []
  let heldBytes = 0
  let [begun, ended] = [false, false]
  let failure: Error | undefined
  let wake: (() => void) | undefined
  let done: (() => void) | undefined // with the piece that was given
  // nobody else has what came from a socket
  const drop = stream instanceof IncomingMessage ? free : () => {}
  const take = (chunk: Buffer) => {
    held.push(chunk)
    heldBytes += chunk.length
    if (heldBytes >= fairShare()) stream.pause()
    wake?.()
  }
  const begin = () => {
    begun = true
    streams++
    finished(stream, { writable: false }, (error) => {
      streams--
      ended = true
      failure = error ?? undefined
      wake?.()
    })
    stream.on('error', () => {}) // `finished` has it, and listens no longer
    stream.on('data', take)
  }
  const release = () => {
    done?.()
    done = undefined
  }
  /** One chunk as it came, or as many as a slab holds. */
  const gathered = (): Buffer => {
    const [first, second] = held as [Buffer, Buffer?]
    const slab = second && borrow()
    if (!slab || first.length > slab.length) {
      if (slab) giveBack(slab)
      held.shift()
      heldBytes -= first.length
      done = () => drop(first)
      return first
    }
    let [size, count] = [0, 0]
    for (; count < held.length && size + held[count]!.length <= slab.length; count++) {
      slab.set(held[count]!, size)
      size += held[count]!.length
      drop(held[count]!)
    }
    held.splice(0, count)
    heldBytes -= size
    done = () => giveBack(slab)
    return slab.subarray(0, size)
  }
  return pieces({
    async next() {
      if (!begun) begin()
      release()
      while (held.length === 0) {
        if (failure) throw failure
        if (ended) return over
        await new Promise<void>((resolve) => (wake = resolve))
        wake = undefined
      }
      const value = gathered()
      if (heldBytes < fairShare()) stream.resume()
      return { done: false, value }
    },
    async return() {
      release()
      for (const chunk of held.splice(0)) drop(chunk)
      stream.off('data', take)
      if (begun) stream.resume()
      ended = true
      return over
    },
  })
}

/** These, and then those of the rest: each is opened when the one before it is at its end. */
export function inTurn(head: Buffer | Pieces, rest: readonly (() => Buffer | Promise<Buffer | Pieces>)[] = []): Pieces {
  let current: Pieces | undefined = asPieces(head)
  let at = 0
  return pieces({
    async next() {
      while (current) {
        const got = await current.next()
        if (!got.done) return got
        const open = rest[at++]
        current = open && asPieces(await open())
      }
      return over
    },
    async return() {
      await current?.return()
      current = undefined
      return over
    },
  })
}

function asPieces(bytes: Buffer | Pieces): Pieces {
  if (!Buffer.isBuffer(bytes)) return bytes
  let left: Buffer | undefined = bytes
  return pieces({
    async next() {
      const value = left
      left = undefined
      return value ? { done: false, value } : over
    },
    async return() {
      left = undefined
      return over
    },
  })
}

/** Those of a generator, of which the first is there: what is wrong with it is thrown here. */
export async function begun(source: AsyncGenerator<Buffer, undefined>): Promise<Pieces> {
  let first: IteratorResult<Buffer, undefined> | undefined = await source.next()
  return pieces({
    async next() {
      const got = first ?? (await source.next())
      first = undefined
      return got
    },
    async return() {
      await source.return(undefined)
      return over
    },
  })
}
