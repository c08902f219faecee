// A blob is written to all its disks at once; it counts when it is durable on as many as are wanted.
import { Fault } from '#lib/fault.ts'
import { intoBlocks } from '../block.ts'
import type { Disk, Part } from './file.ts'
import type { Disks } from './index.ts'

const noRoom = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
// a disk with less room than this is taken only when there is no other
const reserveBytes = 256 * 2 ** 20

interface Copying {
  disk: Disk
  part: Part
}

export async function writeCopies(disks: Disks, id: string, data: AsyncIterable<Buffer>): Promise<{ size: number }> {
  let copying: Copying[] = []
  let lastError: unknown
  /** Does it for each copy; copies that fail are given up, and all of it when too few are left. */
  const each = async (work: (copy: Copying) => Promise<void>) => {
    const done = await Promise.all(
      copying.map(async (copy) => {
        try {
          await work(copy)
          return copy
        } catch (error) {
          lastError = error
          disks.log?.warn({ err: error, disk: copy.disk.dir, blob: id }, 'a copy of a blob could not be written')
          await copy.part.abandon()
          await copy.disk.remove(id).catch(() => {})
          return undefined
        }
      }),
    )
    copying = done.filter((copy) => copy !== undefined)
    if (copying.length < disks.atLeast) throw tooFew(disks, lastError)
  }
  try {
    copying = await begin(disks, id, (error) => (lastError = error))
    if (copying.length < disks.atLeast) throw tooFew(disks, lastError)
    const blocks = intoBlocks(id)
    const write = (pieces: Buffer[]) => each(({ part }) => part.write(pieces))
    for await (const piece of data) await write(blocks.add(piece))
    await write(blocks.end())
    await each(({ part }) => part.sync())
    await each(({ part }) => part.finish())
    return { size: blocks.size }
  } catch (error) {
    for (const { disk, part } of copying) {
      await part.abandon()
      await disk.remove(id).catch(() => {})
    }
    throw error
  }
}

async function begin(disks: Disks, id: string, failed: (error: unknown) => void): Promise<Copying[]> {
  const copying: Copying[] = []
  for (const disk of await roomiestFirst(await disks.available(id))) {
    if (copying.length === disks.copies) break
    try {
      copying.push({ disk, part: await disk.begin(id) })
    } catch (error) {
      failed(error)
      disks.log?.warn({ err: error, disk: disk.dir }, 'a disk takes no blob')
    }
  }
  return copying
}

async function roomiestFirst(disks: Disk[]): Promise<Disk[]> {
  if (disks.length === 1) return disks
  const full = new Set<Disk>()
  for (const disk of disks) if ((await freeBytes(disk)) < reserveBytes) full.add(disk)
  return disks.toSorted((a, b) => Number(full.has(a)) - Number(full.has(b)))
}

const freeBytes = (disk: Disk) =>
  disk.room().then(
    (room) => room.freeBytes,
    () => 0,
  )

function tooFew(disks: Disks, cause: unknown): Fault {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  if (code !== undefined && noRoom.has(code))
    return new Fault('noSpace', 'There is not enough space left to store the object.', { cause })
  return new Fault('unavailable', `The object cannot be stored in ${disks.atLeast} copies now; try again later.`, {
    code: '503',
    cause,
  })
}
