// Whether a blob is in all its places, and how it comes back to them.
import { borrow, giveBack } from '#lib/slab.ts'
import { intoBlocks } from '../block.ts'
import { BlobCorrupt, type Checked } from '../contract.ts'
import type { Copy, Disk } from './file.ts'
import type { Disks } from './index.ts'

type Paced = ((bytes: number) => Promise<void>) | undefined

export async function checkCopies(
  disks: Disks,
  id: string,
  { deep, paced }: { deep: boolean; paced?: (bytes: number) => Promise<void> },
): Promise<Checked> {
  const available = await disks.available(id)
  const wanted = available.slice(0, disks.copies)
  const good: Disk[] = []
  const bad: Disk[] = []
  for (const disk of available) {
    const state = await stateOf(disk, id, deep, paced)
    if (state === 'whole') good.push(disk)
    if (state === 'corrupt') bad.push(disk)
  }
  if (good.length === 0) return { state: bad.length > 0 ? 'corrupt' : 'missing', repaired: 0 }
  let repaired = 0
  let left = wanted.filter((disk) => !good.includes(disk))
  for (const source of good) {
    const failed: Disk[] = []
    for (const disk of left) {
      if (await copied(source, disk, id, paced, disks)) repaired++
      else failed.push(disk)
    }
    left = failed
  }
  if (left.length === 0) {
    // enough of it is where it should be: what lies elsewhere was the best there was when a disk was away
    for (const disk of [...good, ...bad]) if (!wanted.includes(disk)) await disk.remove(id)
  }
  return { state: 'whole', repaired }
}

async function stateOf(disk: Disk, id: string, deep: boolean, paced: Paced): Promise<'whole' | 'missing' | 'corrupt'> {
  let copy: Copy | undefined
  try {
    copy = await disk.open(id)
    if (!copy) return 'missing'
    if (deep) for await (const piece of bytesOf(copy)) await paced?.(piece.length)
    return 'whole'
  } catch {
    // what the disk cannot read is as good as wrong
    return 'corrupt'
  } finally {
    await copy?.close()
  }
}

/** A piece is good until the next one is asked for. */
async function* bytesOf(copy: Copy): AsyncIterable<Buffer> {
  const slab = borrow()
  try {
    let at = 0
    do {
      const piece = await copy.read(at, Math.max(copy.size - 1, 0), slab)
      at += piece.length
      yield piece
    } while (at < copy.size)
  } finally {
    giveBack(slab)
  }
}

/** Copies from disk to disk, verifying; false when the source turns out wrong or the target takes nothing. */
async function copied(source: Disk, target: Disk, id: string, paced: Paced, disks: Disks): Promise<boolean> {
  const copy = await source.open(id).catch(() => undefined)
  if (!copy) return false
  let part
  try {
    part = await target.begin(id)
    const blocks = intoBlocks(id)
    for await (const piece of bytesOf(copy)) {
      await part.write(blocks.add(piece))
      await paced?.(piece.length)
    }
    await part.write(blocks.end())
    await part.sync()
    await part.finish()
  } catch (error) {
    await part?.abandon()
    const why = error instanceof BlobCorrupt ? 'its source is wrong' : 'the disk does not take it'
    disks.log?.warn({ err: error, blob: id, from: source.dir, to: target.dir }, `a blob could not be repaired: ${why}`)
    return false
  } finally {
    await copy.close()
  }
  // who removed it meanwhile does not find it come back
  const still = await source.open(id).catch(() => undefined)
  if (!still) await target.remove(id)
  await still?.close()
  disks.log?.info({ blob: id, from: source.dir, to: target.dir }, 'a copy of a blob was made anew')
  return true
}
