// A blob is read from the first copy that is right; where one turns out wrong in the middle, another one takes over there.
import { Readable } from 'node:stream'
import { BlobCorrupt, BlobMissing } from '../contract.ts'
import type { Copy, Disk } from './file.ts'
import type { Disks } from './index.ts'

export async function readCopies(
  disks: Disks,
  id: string,
  range: { start: number; end: number } | undefined,
  damaged: () => void,
): Promise<Readable> {
  const untried = [...disks.order(id)]
  const opened = await nextCopy(id, untried, damaged)
  if (!opened) throw new BlobMissing(id)
  let copy = opened
  let at = range?.start ?? 0
  // a copy that lost its end does not know how long it was: its last block tells on it, and another copy says better
  const end = () => range?.end ?? Math.max(copy.size - 1, 0)
  /** The next bytes, from whichever copy has them right. */
  const piece = async (): Promise<Buffer> => {
    for (;;) {
      try {
        return await copy.read(at, end())
      } catch (error) {
        damaged()
        await copy.close().catch(() => {})
        const other = await nextCopy(id, untried, damaged)
        if (!other) throw error instanceof BlobCorrupt ? error : new BlobCorrupt(id)
        copy = other
      }
    }
  }
  // what is wrong with the first bytes is said before there is a stream
  let ahead: Promise<Buffer> | undefined = Promise.resolve(await piece())
  return new Readable({
    highWaterMark: 1,
    read() {
      if (!ahead) return void this.push(null)
      ahead.then(
        (data) => {
          at += data.length
          // the next bytes are on their way while these are sent
          ahead = at > end() ? undefined : piece()
          ahead?.catch(() => {}) // seen at the next read
          this.push(data)
          if (data.length === 0) this.push(null)
        },
        (error: Error) => this.destroy(error),
      )
    },
    destroy(error, done) {
      const close = () => copy.close().then(() => done(error), done)
      if (ahead) ahead.then(close, close)
      else void close()
    },
  })
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
