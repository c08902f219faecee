// A blob is read from the first copy that is right; where one turns out wrong in the middle, another one takes over there.
import { type Pieces, pieces } from '#lib/pieces.ts'
import { borrow, giveBack } from '#lib/slab.ts'
import { BlobCorrupt, BlobMissing } from '../contract.ts'
import type { Copy, Disk } from './file.ts'
import type { Disks } from './index.ts'

export async function readCopies(
  disks: Disks,
  id: string,
  range: { start: number; end: number } | undefined,
  damaged: () => void,
): Promise<Pieces> {
  const untried = [...disks.order(id)]
  const opened = await nextCopy(id, untried, damaged)
  if (!opened) throw new BlobMissing(id)
  let copy = opened
  let at = range?.start ?? 0
  // a copy that lost its end does not know how long it was: its last block tells on it, and another copy says better
  const end = () => range?.end ?? Math.max(copy.size - 1, 0)
  /** The next bytes, from whichever copy has them right. */
  const piece = async (into: Buffer): Promise<Buffer> => {
    for (;;) {
      try {
        return await copy.read(at, end(), into)
      } catch (error) {
        damaged()
        await copy.close().catch(() => {})
        const other = await nextCopy(id, untried, damaged)
        if (!other) throw error instanceof BlobCorrupt ? error : new BlobCorrupt(id)
        copy = other
      }
    }
  }
  const fill = async (): Promise<Filled> => {
    const slab = borrow()
    try {
      const data = await piece(slab)
      at += data.length
      return { slab, data }
    } catch (error) {
      giveBack(slab)
      throw error
    }
  }
  // what is wrong with the first bytes is said before there is a stream
  let ahead: Promise<Filled> | undefined = Promise.resolve(await fill())
  let lent: Buffer | undefined
  const release = () => {
    if (lent) giveBack(lent)
    lent = undefined
  }
  const close = async (): Promise<IteratorReturnResult<undefined>> => {
    release()
    const unread = await ahead?.catch(() => undefined)
    ahead = undefined
    if (unread) giveBack(unread.slab)
    await copy.close()
    return { done: true, value: undefined }
  }
  return pieces({
    async next() {
      release()
      if (!ahead) return close()
      const { slab, data } = await ahead
      lent = slab
      // the next bytes are on their way while these are sent
      ahead = at > end() || data.length === 0 ? undefined : fill()
      ahead?.catch(() => {}) // seen when they are asked for
      return { done: false, value: data }
    },
    return: close,
  })
}

interface Filled {
  slab: Buffer
  data: Buffer
}

/** Opens the next disk's copy. One that should be there and is not is damage too. */
async function nextCopy(id: string, untried: Disk[], damaged: () => void): Promise<Copy | undefined> {
  let missed = false
  for (let disk = untried.shift(); disk; disk = untried.shift()) {
    const copy = await disk.open(id).catch(() => undefined)
    if (copy) {
      if (missed) damaged()
      return copy
    }
    missed = true
  }
  return undefined
}
