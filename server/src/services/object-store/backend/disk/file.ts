// Blobs as files of one directory, spread over 256 folders: written beside their place, fsynced, renamed, folder fsynced.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blockBytes, blocksOf, isBlock, plainSize, storedBlock, sumBytes } from '../block.ts'
import { BlobCorrupt } from '../contract.ts'

const unfinished = '.part'
/** Written when the directory holds all that it should: one without it is new, or was emptied. */
const filledMark = 'filled'
const writeBackBytes = 16 << 20

export interface Disk {
  readonly dir: string
  isThere(): Promise<boolean>
  room(): Promise<{ freeBytes: number; totalBytes: number }>
  begin(id: string): Promise<Part>
  /** undefined when there is no such file. */
  open(id: string): Promise<Copy | undefined>
  remove(id: string): Promise<void>
  /** The names in one of the 256 folders. */
  list(folder: string): Promise<{ id: string; changedAtMs: number }[]>
  removeUnfinished(folder: string, olderThanMs: number): Promise<number>
  isFilled(): Promise<boolean>
  markFilled(): Promise<void>
}

/** A blob that is being written. */
export interface Part {
  write(pieces: Buffer[]): Promise<void>
  sync(): Promise<void>
  /** After it, it is the blob. */
  finish(): Promise<void>
  abandon(): Promise<void>
}

/** One stored copy of a blob, open. */
export interface Copy {
  readonly size: number
  /** The blob's bytes from `start` to at most `end`, verified, as many whole blocks as there is room for `into`. Throws BlobCorrupt. */
  read(start: number, end: number, into: Buffer): Promise<Buffer>
  close(): Promise<void>
}

export const folders = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'))

/** `make`: the directory is ours to make; one that an operator mounts has to be there. */
export function disk(dir: string, make: boolean): Disk {
  // the last two digits of a uuid of version 7 are random, the first ones are not
  const folderOf = (id: string) => join(dir, id.slice(-2))
  const pathOf = (id: string) => join(folderOf(id), id)

  return {
    dir,
    async isThere() {
      const found = await stat(dir).catch(() => undefined)
      if (!found && make) await mkdir(dir, { recursive: true, mode: 0o750 })
      return found?.isDirectory() ?? make
    },
    async room() {
      const { bsize, bavail, blocks } = await statfs(dir)
      return { freeBytes: bsize * bavail, totalBytes: bsize * blocks }
    },
    async begin(id) {
      // a repair may write the same blob at the same time
      const part = `${pathOf(id)}.${randomBytes(4).toString('hex')}${unfinished}`
      return writePart(await openPart(part, dir), part, pathOf(id))
    },
    async open(id) {
      try {
        return await openCopy(id, pathOf(id))
      } catch (error) {
        if (isAbsent(error)) return undefined
        throw error
      }
    },
    async remove(id) {
      await rm(pathOf(id), { force: true })
    },
    async list(folder) {
      const found: { id: string; changedAtMs: number }[] = []
      for (const id of await names(join(dir, folder))) {
        if (id.endsWith(unfinished)) continue
        const changedAtMs = await lastChange(join(dir, folder, id))
        if (changedAtMs !== undefined) found.push({ id, changedAtMs })
      }
      return found
    },
    async removeUnfinished(folder, olderThanMs) {
      let removed = 0
      for (const name of await names(join(dir, folder))) {
        if (!name.endsWith(unfinished)) continue
        const path = join(dir, folder, name)
        const changedAtMs = await lastChange(path)
        if (changedAtMs === undefined || Date.now() - changedAtMs < olderThanMs) continue
        await rm(path, { force: true })
        removed++
      }
      return removed
    },
    isFilled: () => stat(join(dir, filledMark)).then(() => true, isAbsentThen(false)),
    async markFilled() {
      const file = await open(join(dir, filledMark), 'a', 0o640)
      await file.sync()
      await file.close()
      await syncFolder(dir)
    },
  }
}

async function openPart(part: string, dir: string): Promise<FileHandle> {
  try {
    return await open(part, 'wx', 0o640)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
  // one of 256 folders is made; a directory that is not there itself stays so
  await mkdir(dirname(part), { mode: 0o750 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await syncFolder(dir)
  return open(part, 'wx', 0o640)
}

function writePart(file: FileHandle, part: string, path: string): Part {
  let position = 0
  let isOpen = true
  let [backAt, goingBack]: [number, Promise<void>] = [0, Promise.resolve()]
  // the disk works while bytes come in, so that little is left to wait for at the end
  const startWriteBack = () => {
    backAt = Infinity
    goingBack = goingBack.then(() => file.datasync())
    goingBack.then(
      () => (backAt = position),
      () => {}, // told by sync: the system tells it only once
    )
  }
  return {
    async write(pieces) {
      let left = pieces
      while (left.length > 0) {
        // at most 1024 pieces by one call
        const { bytesWritten } = await file.writev(left.slice(0, 1024), position)
        position += bytesWritten
        left = after(left, bytesWritten)
      }
      if (position - backAt >= writeBackBytes) startWriteBack()
    },
    async sync() {
      await goingBack
      await file.datasync()
    },
    async finish() {
      isOpen = false
      await file.close()
      await rename(part, path)
      await syncFolder(dirname(path))
    },
    async abandon() {
      if (isOpen) await file.close().catch(() => {})
      isOpen = false
      await rm(part, { force: true }).catch(() => {})
    },
  }
}

/** The pieces without their first `bytes`. */
function after(pieces: Buffer[], bytes: number): Buffer[] {
  let [at, left] = [0, bytes]
  while (at < pieces.length && left >= pieces[at]!.length) left -= pieces[at++]!.length
  return left === 0 ? pieces.slice(at) : [pieces[at]!.subarray(left), ...pieces.slice(at + 1)]
}

async function openCopy(id: string, path: string): Promise<Copy> {
  const file = await open(path, constants.O_RDONLY)
  const { size: stored } = await file.stat()
  const total = Math.ceil(stored / storedBlock)
  const size = plainSize(stored)
  return {
    size,
    async read(start, end, into) {
      const { first, last, skip } = blocksOf(start, end)
      const count = Math.min(last - first + 1, Math.floor(into.length / blockBytes), total - first)
      const bytes = Math.min(count * blockBytes, size - first * blockBytes)
      if (count < 1 || bytes < 0) throw new BlobCorrupt(id)
      // the blocks side by side, and their sums elsewhere
      const sums = Buffer.allocUnsafe(count * sumBytes)
      const blocks = Array.from({ length: count }, (_, n) =>
        into.subarray(n * blockBytes, Math.min((n + 1) * blockBytes, bytes)),
      )
      const pieces = blocks.flatMap((block, n) => [block, sums.subarray(n * sumBytes, (n + 1) * sumBytes)])
      await readWhole(file, pieces, first * storedBlock)
      for (const [n, block] of blocks.entries())
        if (!isBlock(id, block, sums.readUInt32LE(n * sumBytes), first + n, first + n + 1 === total))
          throw new BlobCorrupt(id)
      return into.subarray(skip, Math.min(skip + end - start + 1, bytes))
    },
    close: () => file.close(),
  }
}

/** Rejects where the file ends before them. */
async function readWhole(file: FileHandle, pieces: Buffer[], position: number): Promise<void> {
  for (let [left, at] = [pieces, position]; left.length > 0;) {
    const { bytesRead } = await file.readv(left, at)
    if (bytesRead === 0) throw new Error('the file is shorter than it was')
    at += bytesRead
    left = after(left, bytesRead)
  }
}

const names = (folder: string) => readdir(folder).catch(isAbsentThen<string[]>([]))
const lastChange = (path: string) =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  )

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
function isAbsentThen<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isAbsent(error)) return value
    throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
