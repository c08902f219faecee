// Digests of long streams, computed beside the rest: MD5 keeps a core busy at 700 MB/s, which is more than everything else
// that is done with the bytes of an upload.
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'

export interface Hasher {
  /** Resolves when the piece was taken in: then it may be written over. One at a time. */
  update(piece: Buffer): Promise<void> | void
  digest(): Promise<Buffer> | Buffer
  /** By who wants no digest any more, or has it. */
  drop(): void
}

// what is shorter is done before a thread would have begun
const longBytes = 4 << 20

/** `length`: of the bytes to come, undefined where nobody knows. */
export function makeHasher(algorithm: string, length: number | undefined): Hasher {
  if ((length ?? Infinity) >= longBytes && availableParallelism() > 1) return onThread(algorithm)
  const hash = createHash(algorithm)
  return { update: (piece) => void hash.update(piece), digest: () => hash.digest(), drop: () => {} }
}

export type Order =
  | { id: number; kind: 'begin'; algorithm: string }
  | { id: number; kind: 'update'; piece: Uint8Array }
  | { id: number; kind: 'digest' | 'drop' }
export interface Answer {
  id: number
  digest?: Uint8Array
}

interface Thread {
  worker: Worker
  failure: Error | undefined
  /** Those who wait for an answer, by the id of their digest. */
  waiting: Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>
  /** Digests that are being computed. */
  busy: number
}

// a thread takes memory, and is soon started
const idleMs = 10_000
let thread: Thread | undefined
let lastId = 0

function startThread(): Thread {
  // loaded by who needs it first
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  const worker = new Worker(new URL('./hasher-thread.ts', import.meta.url))
  const started: Thread = { worker, failure: undefined, waiting: new Map(), busy: 0 }
  const end = (error: Error) => {
    started.failure ??= error
    if (thread === started) thread = undefined
    for (const { reject } of started.waiting.values()) reject(started.failure)
    started.waiting.clear()
  }
  worker.on('message', (answer: Answer) => {
    const waiter = started.waiting.get(answer.id)
    started.waiting.delete(answer.id)
    waiter?.resolve(answer)
  })
  worker.on('error', end)
  worker.on('exit', (code) => end(new Error(`the thread that computes digests ended with ${code}`)))
  return started
}

function onThread(algorithm: string): Hasher {
  const mine = (thread ??= startThread())
  const id = ++lastId
  // the process stays while somebody waits, and no longer
  if (mine.busy++ === 0) mine.worker.ref()
  const tell = (order: Order) => mine.worker.postMessage(order)
  const ask = (order: Order) =>
    new Promise<Answer>((resolve, reject) => {
      if (mine.failure) return reject(mine.failure)
      mine.waiting.set(id, { resolve, reject })
      tell(order)
    })
  let left = false
  const leave = () => {
    if (left) return
    left = true
    if (--mine.busy > 0) return
    mine.worker.unref()
    setTimeout(() => {
      if (mine.busy > 0 || mine.failure) return
      if (thread === mine) thread = undefined
      void mine.worker.terminate()
    }, idleMs).unref()
  }
  tell({ id, kind: 'begin', algorithm })
  return {
    // memory of a slab is shared, other memory is copied
    update: (piece) => ask({ id, kind: 'update', piece }).then(() => {}),
    async digest() {
      try {
        return Buffer.from((await ask({ id, kind: 'digest' })).digest!)
      } finally {
        leave()
      }
    },
    drop() {
      if (!left) tell({ id, kind: 'drop' })
      leave()
    },
  }
}
