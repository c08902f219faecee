// Where image data lies: files in <data>/images, written beside their place and renamed into it when they are whole.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Config } from '#lib/config.ts'
import { Fault } from '#lib/fault.ts'
import { piecesOf } from '#lib/pieces.ts'
import { type Found, headBytes, inspect } from './format.ts'

export interface Stored {
  size: number
  checksum: string // md5, hex
  sha512: string // hex
  found: Found
}

const dirOf = (config: Config) => join(config.data, 'images')
const pathOf = (config: Config, file: string) => join(dirOf(config), file)
const unfinished = '.part'

/**
 * Streams `data` to the file, hashed as it passes, fsynced, and only then under its name. `check` sees what the bytes are
 * before more than the head was taken, and may throw. Nothing is left behind when it fails: the rest of `data` is read
 * and thrown away, for a client that still sends would never see the refusal, nor could its connection be used again.
 */
export async function putImage(
  config: Config,
  file: string,
  data: Readable,
  check: (found: Found) => void,
): Promise<Stored> {
  await mkdir(dirOf(config), { recursive: true })
  const part = pathOf(config, file) + unfinished
  const md5 = createHash('md5')
  const sha512 = createHash('sha512')
  let size = 0
  let found: Found | undefined
  let head = Buffer.alloc(0)
  const look = () => {
    found = inspect(head)
    check(found)
  }
  const take = (chunk: Buffer) => {
    size += chunk.length
    if (!found) {
      head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)])
      if (head.length >= headBytes) look()
    }
    md5.update(chunk)
    sha512.update(chunk)
  }
  try {
    const to = await open(part, 'w', 0o640)
    try {
      for await (const piece of piecesOf(data)) {
        take(piece)
        await writeWhole(to, piece)
      }
      if (!found) look()
      await to.sync()
    } finally {
      await to.close()
    }
    await rename(part, pathOf(config, file))
  } catch (error) {
    data.resume()
    await rm(part, { force: true })
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC')
      throw new Fault('tooLarge', 'There is not enough space left to store the image.', { cause: error })
    throw error
  }
  return { size, checksum: md5.digest('hex'), sha512: sha512.digest('hex'), found: found! }
}

/** A disk that is nearly full takes a part; what it says to the rest is the reason. */
async function writeWhole(to: FileHandle, piece: Buffer): Promise<void> {
  for (let at = 0; at < piece.length;) at += (await to.write(piece, at)).bytesWritten
}

/** The bytes from `start` to `end` (inclusive), or all. Throws notFound when the file is not there. */
export async function openImageFile(
  config: Config,
  file: string,
  range?: { start: number; end: number },
): Promise<Readable> {
  await stat(pathOf(config, file)).catch(() => {
    throw new Fault('notFound', 'The data of this image cannot be found.')
  })
  return createReadStream(pathOf(config, file), { highWaterMark: 1 << 20, ...range })
}

/** Removes the file; that it is gone already is fine. */
export async function ensureNoImageFile(config: Config, file: string): Promise<void> {
  await rm(pathOf(config, file), { force: true })
  await rm(pathOf(config, file) + unfinished, { force: true })
}

/** When data was last written to the file or to its unfinished part; undefined when neither is there. */
export async function lastWritten(config: Config, file: string): Promise<Date | undefined> {
  for (const name of [file + unfinished, file]) {
    const found = await stat(pathOf(config, name)).catch(() => undefined)
    if (found) return found.mtime
  }
  return undefined
}

/** The files there are that were last written before that moment, without the ending of unfinished ones. */
export async function filesOlderThan(config: Config, before: Date): Promise<string[]> {
  const old: string[] = []
  for (const name of await readdir(dirOf(config)).catch(() => [])) {
    const found = await stat(pathOf(config, name)).catch(() => undefined)
    if (found && found.mtime < before) old.push(name.replace(unfinished, ''))
  }
  return [...new Set(old)]
}
