// The logs of programs that run for months, kept within bounds while they run.
import { copyFile, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { largestLogBytes } from '../programs.ts'

const everyMs = 10_000

/**
 * Puts a log that has grown beyond the bound aside as `<path>.1` and empties it. Its program goes on writing to the same
 * file, which it must have opened for appending; what it writes between the copy and the cut is lost.
 */
export async function trimLog(path: string, mostBytes = largestLogBytes): Promise<void> {
  const { size } = await stat(path)
  if (size <= mostBytes) return
  // Without room for the copy the cut is needed all the more.
  await copyFile(path, `${path}.1`).catch(() => rm(`${path}.1`, { force: true }))
  await truncate(path)
}

/** Keeps every `*.log` of a folder within bounds until it is stopped. */
export function trimLogs(folder: string): { stop(): void } {
  const look = async () => {
    for (const name of await readdir(folder)) {
      // A log that has gone meanwhile, or cannot be cut now, is looked at again.
      if (name.endsWith('.log')) await trimLog(join(folder, name)).catch(() => {})
    }
  }
  const timer = setInterval(() => void look().catch(() => {}), everyMs)
  timer.unref() // a start that failed ends at once
  return { stop: () => clearInterval(timer) }
}
