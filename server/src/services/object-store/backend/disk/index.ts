// Blobs on disks: as many copies as are wanted, each on a disk of its own. Which disks those are follows from the blob's id
// and the names of the disks alone (highest random weight): a disk that comes or goes moves only its own share.
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Log } from '#lib/log.ts'
import type { Backend } from '../contract.ts'
import { checkCopies } from './check.ts'
import { disk, type Disk, folders } from './file.ts'
import { readCopies } from './read.ts'
import { writeCopies } from './write.ts'

export interface DiskOptions {
  name: string
  /** Each a file system of its own, if its copies are to be worth anything. */
  dirs: readonly string[]
  /** The directory is made where it is missing; else a missing one is a disk that is not there. */
  make?: boolean
  copies?: number
  /** With fewer copies than this a write fails; as many as `copies` unless said otherwise. */
  atLeast?: number
  log?: Log
}

export interface Disks {
  readonly name: string
  readonly copies: number
  readonly atLeast: number
  readonly log: Log | undefined
  /** All of them in the order in which this blob likes them. */
  order(id: string): readonly Disk[]
  /** Those that are there. */
  available(id: string): Promise<Disk[]>
}

export function diskBackend(options: DiskOptions): Backend {
  const { name, copies = 1, log } = options
  const all = options.dirs.map((dir) => disk(dir, options.make ?? false))
  const order = (id: string) =>
    all.length === 1
      ? all
      : all
          .map((each) => ({ each, weight: crc32(id, crc32(each.dir)) }))
          .toSorted((a, b) => b.weight - a.weight)
          .map(({ each }) => each)
  const disks: Disks = {
    name,
    copies: Math.min(copies, all.length),
    atLeast: Math.min(options.atLeast ?? copies, copies),
    log,
    order,
    async available(id) {
      const found = await Promise.all(order(id).map(async (each) => ((await each.isThere()) ? each : undefined)))
      return found.filter((each) => each !== undefined)
    },
  }
  const repairing = new Set<string>()
  const repair = (id: string) => {
    if (repairing.has(id)) return
    repairing.add(id)
    log?.warn({ blob: id, backend: name }, 'a copy of a blob is missing or wrong')
    checkCopies(disks, id, { deep: true })
      .catch((error: unknown) => log?.warn({ err: error, blob: id }, 'a blob could not be repaired'))
      .finally(() => repairing.delete(id))
  }
  const there = async () => {
    const found = await Promise.all(all.map(async (each) => ((await each.isThere()) ? each : undefined)))
    return found.filter((each) => each !== undefined)
  }
  return {
    name,
    write: (id, data) => writeCopies(disks, id, data),
    read: (id, range) => readCopies(disks, id, range, () => repair(id)),
    async remove(id) {
      await Promise.all(all.map((each) => each.remove(id)))
    },
    async *list() {
      for (const folder of folders) {
        const found = new Map<string, number>()
        for (const each of all)
          for (const { id, changedAtMs } of await each.list(folder))
            found.set(id, Math.max(changedAtMs, found.get(id) ?? 0))
        for (const [id, changedAtMs] of found) yield { id, changedAtMs }
      }
    },
    async removeUnfinished(olderThanMs) {
      let removed = 0
      for (const each of all) for (const folder of folders) removed += await each.removeUnfinished(folder, olderThanMs)
      return removed
    },
    check: (id, how) => checkCopies(disks, id, how),
    places: () =>
      Promise.all(
        all.map(async (each) => {
          if (!(await each.isThere())) return { where: each.dir, available: false }
          return { where: each.dir, available: true, ...(await each.room()) }
        }),
      ),
    async wantsFilling() {
      for (const each of await there()) if (!(await each.isFilled())) return true
      return false
    },
    async filled() {
      for (const each of await there()) await each.markFilled()
    },
  }
}

/** Where the blobs are unless it is said otherwise. */
export function defaultDir(data: string): string {
  return join(data, 'objects')
}
