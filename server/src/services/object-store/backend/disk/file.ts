// Blobs as files of one directory, spread over 256 folders: written beside their place, fsynced, renamed, folder fsynced.
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blocksOf, outOfBlocks, plainSize, storedBlock } from '../block.ts'
import { BlobCorrupt } from '../contract.ts'

const unfinished = '.part'
/** Written when the directory holds all that it should: one without it is new, or was emptied. */
const filledMark = 'filled'
const blocksAtOnce = 16

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
  /** The blob's bytes from `start` to at most `end`: verified, and as many as are read at once. Throws BlobCorrupt. */
  read(start: number, end: number): Promise<Buffer>
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
  return {
    async write(pieces) {
      let left = pieces
      while (left.length > 0) {
        // at most 1024 pieces by one call
        const { bytesWritten } = await file.writev(left.slice(0, 1024), position)
        position += bytesWritten
        left = after(left, bytesWritten)
      }
    },
    sync: () => file.datasync(),
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

function after(pieces: Buffer[], written: number): Buffer[] {
  let [at, left] = [0, written]
  while (at < pieces.length && left >= pieces[at]!.length) left -= pieces[at++]!.length
  return left === 0 ? pieces.slice(at) : [pieces[at]!.subarray(left), ...pieces.slice(at + 1)]
}

async function openCopy(id: string, path: string): Promise<Copy> {
  const file = await open(path, constants.O_RDONLY)
  const { size: stored } = await file.stat()
  const total = Math.ceil(stored / storedBlock)
  return {
    size: plainSize(stored),
    async read(start, end) {
      const { first, last, skip } = blocksOf(start, end)
      const count = Math.min(last - first + 1, blocksAtOnce, total - first)
      if (count < 1) throw new BlobCorrupt(id)
      const [from, to] = [first * storedBlock, Math.min((first + count) * storedBlock, stored)]
      const buffer = Buffer.allocUnsafeSlow(to - from)
      for (let got = 0; got < buffer.length;) {
        const { bytesRead } = await file.read(buffer, got, buffer.length - got, from + got)
        if (bytesRead === 0) throw new BlobCorrupt(id)
        got += bytesRead
      }
      return outOfBlocks(id, buffer, first, first + count === total).subarray(skip, skip + end - start + 1)
    },
    close: () => file.close(),
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
