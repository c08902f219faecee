// Memory for bytes on their way, used again and again: what is allocated anew for each piece makes V8 go through all of its
// heap whenever some 64 MB of it have gathered, and costs more than anything that is done with the bytes.

export const slabBytes = 1 << 20
// what whoever comes when no slab is left gets instead, so that many slow clients take little memory and nobody waits: a
// block of 64 KiB with what seals it
const spareBytes = 68 * 1024
const mostSlabs = 12

const idle: Buffer[] = []
let made = 0
// of a reader that nobody ended
const lost = new FinalizationRegistry(() => made--)

/** `slabBytes` of memory with something in them, fewer when many are borrowed. Whoever is done gives it back, once. */
export function borrow(): Buffer {
  const slab = idle.pop()
  if (slab) return slab
  if (made === mostSlabs) return Buffer.allocUnsafeSlow(spareBytes)
  made++
  // shared, so that a thread can look at it too
  const fresh = Buffer.from(new SharedArrayBuffer(slabBytes))
  lost.register(fresh, undefined)
  return fresh
}

export function giveBack(slab: Buffer): void {
  if (slab.length === slabBytes) idle.push(slab)
  else free(slab)
}

/**
 * Gives memory back at once that nobody else has seen and nobody reads any more: what came from a socket or out of a cipher.
 * Small buffers, and views of others, are left to the collector.
 */
export function free({ buffer, byteLength }: Buffer): void {
  if (byteLength >= 4096 && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
