import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Takes the one lock of a data directory, or answers undefined when another process holds it. SQLite's file lock is the
 * kernel's: it goes with the process however that ends, so there is never a stale one.
 */
export function takeLock(runFolder: string): { release(): void } | undefined {
  const database = new DatabaseSync(join(runFolder, 'lock'), { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === 5) return undefined
    throw error
  }
  return { release: () => database.close() }
}

export function isLocked(runFolder: string): boolean {
  const lock = takeLock(runFolder)
  lock?.release()
  return lock === undefined
}
