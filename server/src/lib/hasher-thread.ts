// The thread of hasher.ts; on another one it does nothing.
import { createHash, type Hash } from 'node:crypto'
import { type MessagePort, parentPort } from 'node:worker_threads'
import type { Answer, Order } from '#lib/hasher.ts'

// what fails here ends the thread, and with it the digests that it was computing: hasher.ts tells those who wait
function serve(port: MessagePort): void {
  const hashes = new Map<number, Hash>()
  const answer = (about: Answer) => port.postMessage(about)
  port.on('message', (order: Order) => {
    const { id } = order
    if (order.kind === 'begin') return void hashes.set(id, createHash(order.algorithm))
    if (order.kind === 'update') {
      hashes.get(id)!.update(order.piece)
      const { buffer } = order.piece
      if (buffer instanceof ArrayBuffer) buffer.transfer(0) // a copy for this message; as in slab.ts
      return answer({ id })
    }
    const hash = hashes.get(id)!
    hashes.delete(id)
    if (order.kind === 'digest') answer({ id, digest: hash.digest() })
  })
}

if (parentPort) serve(parentPort)
