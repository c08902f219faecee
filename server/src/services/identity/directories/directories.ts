// Which domains have a directory: those whose configuration says so. Read once and kept, until a configuration changes.
import type { Database } from '#lib/db.ts'
import type { Log } from '#lib/log.ts'
import type { Directories, Directory } from '../directory.ts'
import { type DomainConfig, readDirectoryConfigs } from '../domain-config/model.ts'

export type OpenDirectory = (domainId: string, config: DomainConfig, log: Log) => Promise<Directory>

interface Known {
  text: string
  directory: Directory
}

export function makeDirectories(db: Database, log: Log, open: OpenDirectory): Directories {
  let known = new Map<string, Known>()
  let reading: Promise<Map<string, Known>> | undefined
  // Without ears nothing may be kept: a change could have been missed.
  let hears = false
  const forget = () => {
    reading = undefined
  }
  db.subscribe('directories', forget, () => {
    hears = true
    forget()
  })
  const running = new Map<string, Promise<void>>()

  const read = async (): Promise<Map<string, Known>> => {
    const next = new Map<string, Known>()
    for (const [domainId, config] of await readDirectoryConfigs(db)) {
      const text = JSON.stringify(config)
      const before = known.get(domainId)
      // one whose options are what they were keeps its connections
      next.set(domainId, before?.text === text ? before : { text, directory: await open(domainId, config, log) })
    }
    for (const [domainId, { directory }] of known)
      if (next.get(domainId)?.directory !== directory) await directory.close()
    known = next
    return next
  }
  let queue: Promise<unknown> = Promise.resolve()
  const current = () => {
    if (reading) return reading
    // one after the other, so that no directory is opened twice
    const mine = queue.then(read)
    queue = mine.catch(() => {})
    if (hears) {
      reading = mine
      mine.catch(forget)
    }
    return mine
  }

  return {
    async of(domainId) {
      return domainId === undefined ? undefined : (await current()).get(domainId)?.directory
    },
    once(key, work) {
      const already = running.get(key)
      if (already) return already
      const mine = work().finally(() => running.delete(key))
      running.set(key, mine)
      return mine
    },
    async close() {
      await queue
      for (const { directory } of known.values()) await directory.close()
    },
  }
}
