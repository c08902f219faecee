// Images by id: fetched once, checked before the first use, kept until the room is needed.
//
//   data/images/<id>-<first 16 of sha512>.<format>      the bytes, readable by the QEMU user
//   data/images/<…>.json                                 what was found out about them; no image counts without it
//   data/images/<…>.fetch                                a download that is under way, or was when the agent died
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageSource } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { Type } from 'typebox'
import Value from 'typebox/value'
import { isSafeId, listIfAny, readIfAny, writeWhole } from '../files.ts'
import type { QemuUser } from '../unprivileged.ts'
import { downloadImage, type ImageServer } from './download.ts'
import { inspectImage } from './inspect.ts'
import { BadImage } from './qcow2.ts'

export interface CachedImage {
  /** Within `folder`. */
  file: string
  format: 'raw' | 'qcow2'
  virtualBytes: number
}

export interface ImageCache {
  folder: string
  /**
   * The image, fetched if need be. Throws a `BadImage` when these bytes will never do. Giving up by `signal` ends the
   * download, unless it is asked for again within seconds.
   */
  ensure(source: ImageSource, signal: AbortSignal): Promise<CachedImage>
  /** Removes images that are neither in use nor fit within the limit, those used longest ago first. */
  evict(): Promise<void>
}

export interface ImageCacheOptions {
  folder: string
  server: ImageServer
  user: QemuUser
  limitBytes: number
  /** Files that disks of machines build upon, or that a wish names. */
  filesInUse(): Promise<Set<string>>
  log: Logger
}

const graceMs = 5000

const Note = Type.Object({ virtualBytes: Type.Integer() })

export async function imageCache(options: ImageCacheOptions): Promise<ImageCache> {
  const { folder, server, user, limitBytes, log } = options
  await mkdir(folder, { recursive: true, mode: 0o711 })
  await removeHalves(folder)
  const under = new Map<string, { image: Promise<CachedImage>; stop: AbortController; waiting: number }>()

  const find = async (file: string, format: CachedImage['format']): Promise<CachedImage | undefined> => {
    const note = await readIfAny(join(folder, `${file}.json`))
    return note === undefined ? undefined : { file, format, ...Value.Parse(Note, JSON.parse(note)) }
  }
  const fetchImage = async (source: ImageSource, file: string, signal: AbortSignal): Promise<CachedImage> => {
    const partial = `${file}.fetch`
    try {
      log.info({ image: source.imageId, bytes: source.sizeBytes }, 'fetching image')
      await downloadImage(server, source, join(folder, partial), signal)
      const virtualBytes = await inspectImage(user, folder, partial, source.format)
      await rename(join(folder, partial), join(folder, file))
      await writeWhole(join(folder, `${file}.json`), JSON.stringify({ virtualBytes }))
      log.info({ image: source.imageId }, 'image is in the cache')
      return { file, format: source.format, virtualBytes }
    } finally {
      await rm(join(folder, partial), { force: true })
    }
  }
  const cache: ImageCache = {
    folder,
    async ensure(source, signal) {
      signal.throwIfAborted()
      if (!isSafeId(source.imageId) || !/^[0-9a-f]{128}$/.test(source.sha512))
        throw new BadImage('The image has no usable id and checksum.')
      const file = imageFile(source)
      const known = await find(file, source.format)
      if (known !== undefined) {
        const now = new Date()
        await utimes(join(folder, file), now, now)
        return known
      }
      let job = under.get(file)
      if (job?.stop.signal.aborted === true) {
        await job.image.catch(() => {}) // given up by all others; it still holds the file
        job = under.get(file)
      }
      if (job === undefined) {
        const stop = new AbortController()
        const image = fetchImage(source, file, stop.signal).finally(() => under.delete(file))
        image.catch(() => {}) // whoever waits sees it; nobody may be waiting any more
        job = { image, stop, waiting: 0 }
        under.set(file, job)
      }
      const current = job
      current.waiting++
      try {
        return await orAborted(current.image, signal)
      } finally {
        current.waiting--
        if (current.waiting === 0) {
          // A machine that has another wish will ask for the same image in a moment.
          setTimeout(() => {
            if (current.waiting === 0) current.stop.abort()
          }, graceMs).unref()
          void cache.evict().catch((error: unknown) => log.error({ err: error }, 'cannot evict images'))
        }
      }
    },
    async evict() {
      const used = await options.filesInUse()
      const images: { name: string; bytes: number; usedMs: number }[] = []
      for (const name of await listIfAny(folder)) {
        if (!/\.(raw|qcow2)$/.test(name)) continue
        const found = await stat(join(folder, name))
        images.push({ name, bytes: found.blocks * 512, usedMs: found.mtimeMs })
      }
      let total = images.reduce((sum, { bytes }) => sum + bytes, 0)
      for (const { name, bytes } of images.toSorted((a, b) => a.usedMs - b.usedMs)) {
        if (total <= limitBytes) return
        if (used.has(name)) continue
        log.info({ image: name, bytes }, 'dropping an image that no machine uses')
        await rm(join(folder, `${name}.json`), { force: true })
        await rm(join(folder, name), { force: true })
        total -= bytes
      }
    },
  }
  return cache
}

/** The image's name in the cache. */
export function imageFile({ imageId, sha512, format }: ImageSource): string {
  return `${imageId}-${sha512.slice(0, 16)}.${format}`
}

/** What a killed agent has left: downloads, bytes without a note, notes without bytes. */
async function removeHalves(folder: string): Promise<void> {
  const names = new Set(await listIfAny(folder))
  for (const name of names) {
    const whole = name.endsWith('.json') ? names.has(name.slice(0, -5)) : names.has(`${name}.json`)
    if (!whole) await rm(join(folder, name), { force: true })
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason instanceof Error ? signal.reason : new Error('given up'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
