// Bytes in: hashed as they pass, durable when it returns.
import { randomBytes } from 'node:crypto'
import { Fault } from '#lib/fault.ts'
import { type Hasher, makeHasher } from '#lib/hasher.ts'
import { newId } from '#lib/id.ts'
import type { World } from '#lib/world.ts'
import { backendOf, backendOfClass } from '../backends.ts'
import { sealSegments, sealSingle } from '../encryption/format.ts'
import { newBlobSeal, type Sealing } from '../encryption/sealing.ts'
import { type Extent, standard } from '../model.ts'
import type { Digest, Received } from './bytes.ts'

/** Bytes up to this size stand in the object's row: one write for the data and all that is said about it. */
export const inlineBytes = 16 * 1024

export interface ReceiveOptions {
  /** Of the bytes to come, where it is known. */
  length?: number | undefined
  /** Whose backend takes what does not stand in the row. */
  storageClass?: string | undefined
  /** Digests wanted besides md5, by the name they are kept under. */
  checksums?: Record<string, Digest>
  /** What to encrypt with; see encryption/sealing.ts. */
  sealing?: Sealing | undefined
  /** Bytes up to this size are to stand in a row; 0: what is to be joined with others has to be a blob. */
  inlineUpTo?: number
}

/** Takes bytes in. Whoever calls it stores them in an object or gives them back with `discard`. */
export async function receive(
  world: World,
  data: AsyncIterable<Buffer>,
  { length, storageClass = standard, checksums = {}, sealing, inlineUpTo = inlineBytes }: ReceiveOptions = {},
): Promise<Received> {
  const backend = backendOfClass(world, storageClass)
  const source = data[Symbol.asyncIterator]()
  let size = 0
  const next = async () => {
    const got = await source.next()
    if (got.done) return undefined
    size += got.value.length
    for (const each of Object.values(checksums)) each.update(got.value)
    return got.value
  }
  const seal = sealing && newBlobSeal(sealing)
  let md5: Hasher | undefined
  const made = async (held: Pick<Received, 'data' | 'extents' | 'sealed'>): Promise<Received> => {
    const digest = (await md5!.digest()).toString('hex')
    const named = Object.entries(checksums).map(([name, each]) => [name, each.digest('base64')])
    return {
      ...held,
      size,
      etag: sealing?.opaqueEtag ? randomBytes(16).toString('hex') : digest,
      md5: digest,
      storageClass,
      checksums: Object.fromEntries(named) as Record<string, string>,
    }
  }
  try {
    const head: Buffer[] = []
    let piece = await next()
    for (; piece && size <= inlineUpTo; piece = await next()) head.push(Buffer.from(piece))
    const hasher = (md5 = makeHasher('md5', piece ? length : size))
    for (const each of head) await hasher.update(each)
    if (!piece) {
      const plain = head.length === 1 ? head[0]! : Buffer.concat(head)
      if (!seal) return await made({ data: plain, extents: null, sealed: null })
      const sealed = { ...sealing.sealed, ...seal.beside }
      return await made({ data: sealSingle(plain, seal.key), extents: null, sealed })
    }
    const blob = newId()
    async function* all(): AsyncIterable<Buffer> {
      yield* head
      for (; piece; piece = await next()) {
        const hashing = hasher.update(piece)
        hashing?.catch(() => {}) // seen below
        try {
          yield piece
        } finally {
          await hashing
        }
      }
    }
    await backend.write(blob, seal ? sealSegments(all(), seal.key) : all())
    const extent: Extent = { blob, size, backend: backend.name, ...(seal && { sealed: seal.beside }) }
    return await made({ data: null, extents: [extent], sealed: sealing?.sealed ?? null })
  } finally {
    md5?.drop()
    await source.return?.()
  }
}

/**
 * Gives back bytes that could not be stored because of that error. Only a Fault says for sure that nothing was committed:
 * after a connection that broke the row may be there, so the bytes stay, and the sweeper looks whose they are.
 */
export async function discard(world: World, received: { extents: Extent[] | null }, because: unknown): Promise<void> {
  if (!(because instanceof Fault)) return
  for (const { blob, backend } of received.extents ?? []) await backendOf(world, backend).remove(blob)
}
