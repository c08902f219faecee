// Blobs as files of a directory, spread over 256 folders: written beside their place, fsynced, renamed, folder fsynced.
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '#lib/fault.ts'
import { type Backend, type BlobInfo, BlobMissing } from './contract.ts'

const unfinished = '.part'
const readSize = 1 << 20
const noRoom = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

export function diskBackend(dir: string): Backend {
  // the last two digits of a uuid of version 7 are random, the first ones are not
  const folderOf = (id: string) => join(dir, id.slice(-2))
  const pathOf = (id: string) => join(folderOf(id), id)
  const made = new Set<string>()

  async function ensureFolder(folder: string): Promise<void> {
    if (made.has(folder)) return
    await mkdir(folder, { recursive: true, mode: 0o750 })
    await syncFolder(dir)
    made.add(folder)
  }

  return {
    name: 'disk',
    async write(id, data) {
      const part = pathOf(id) + unfinished
      let file: FileHandle | undefined
      let size = 0
      try {
        await ensureFolder(folderOf(id))
        file = await open(part, 'wx', 0o640)
        const to = file
        let writing: Promise<unknown> | undefined
        for await (const chunk of data) {
          // one write is under way while the next chunk is received and hashed
          await writing
          writing = writeAll(to, chunk, size)
          writing.catch(() => {}) // seen at the next await
          size += chunk.length
        }
        await writing
        await file.datasync()
        await file.close()
        file = undefined
        await rename(part, pathOf(id))
        await syncFolder(folderOf(id))
      } catch (error) {
        await file?.close().catch(() => {})
        await rm(part, { force: true }).catch(() => {})
        await rm(pathOf(id), { force: true }).catch(() => {})
        const { code } = error as NodeJS.ErrnoException
        if (code !== undefined && noRoom.has(code))
          throw new Fault('overQuota', 'There is not enough space left to store the object.', {
            code: '507',
            cause: error,
          })
        throw error
      }
      return { size }
    },
    async read(id, range) {
      const file = await open(pathOf(id), constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT' ? new BlobMissing(id) : error
      })
      return file.createReadStream({ highWaterMark: readSize, ...range })
    },
    async remove(id) {
      await rm(pathOf(id), { force: true })
      await rm(pathOf(id) + unfinished, { force: true })
    },
    async *list(): AsyncIterable<BlobInfo> {
      for (const folder of await readdir(dir).catch(() => [])) {
        for (const name of await readdir(join(dir, folder)).catch(() => [])) {
          const found = await stat(join(dir, folder, name)).catch(() => undefined)
          if (!found) continue
          const isPart = name.endsWith(unfinished)
          const id = isPart ? name.slice(0, -unfinished.length) : name
          yield { id, size: found.size, changedAtMs: found.mtimeMs, unfinished: isPart }
        }
      }
    },
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  let done = 0
  while (done < chunk.length) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done)
    done += bytesWritten
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
