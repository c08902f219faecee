// The serial console's log: its tail for whoever asks; and a bound on what a chatty guest, or its QEMU, may fill.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { isMissing } from '../files.ts'
import { type Folder, machineFolder, openForeign } from './folder.ts'
import type { Host } from './host.ts'

// A log is cut to its newest half when it grows beyond this.
const mostBytes = 4 * 1024 * 1024
const everyMs = 10_000
// One answer; the API's clients ask for some hundred lines.
const mostTailBytes = 1024 * 1024

/** The last `lines` lines (null: all that is kept, up to 1 MiB), as text; empty before the first start. */
export async function consoleTail(folder: Folder, lines: number | null): Promise<string> {
  return await withLog(folder.run('console.log'), constants.O_RDONLY, async (file, size) => {
    const start = Math.max(0, size - mostTailBytes)
    const text = (await readAt(file, start, size - start)).toString('utf8')
    return lines === null ? text : lastLines(text, lines)
  })
}

/** The last lines of a text; a line that has not ended yet counts as one. */
export function lastLines(text: string, count: number): string {
  if (count <= 0) return ''
  let at = text.endsWith('\n') ? text.length - 1 : text.length
  for (let left = count; left > 0; left--) {
    at = text.lastIndexOf('\n', at - 1)
    if (at < 0) return text
    if (at === 0) return left === 1 ? text.slice(1) : text
  }
  return text.slice(at + 1)
}

/** Keeps the logs of every console and of every QEMU within bounds. */
export function watchConsoles(host: Host, ids: () => string[]): { stop(): void } {
  const timer = setInterval(() => {
    void (async () => {
      for (const id of ids())
        try {
          await trimLogs(machineFolder(host.dataDir, id))
        } catch (error) {
          host.log.warn({ err: error, machine: id }, 'cannot trim the logs of a guest')
        }
    })()
  }, everyMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}

/** Both are appended to, so what is cut off at the front leaves no hole. */
export async function trimLogs(folder: Folder): Promise<void> {
  await trim(folder.run('console.log'))
  await trim(folder.run('qemu.log'))
}

async function trim(path: string): Promise<void> {
  await withLog(path, constants.O_RDWR, async (file, size) => {
    if (size <= mostBytes) return ''
    const keep = await readAt(file, size - mostBytes / 2, mostBytes / 2)
    await file.truncate(0)
    const append = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW)
    try {
      await append.write(keep.subarray(keep.indexOf(10) + 1))
    } finally {
      await append.close()
    }
    return ''
  })
}

async function withLog(
  path: string,
  flags: number,
  use: (file: FileHandle, size: number) => Promise<string>,
): Promise<string> {
  let file: FileHandle
  try {
    file = await openForeign(path, flags)
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
  try {
    const found = await file.stat()
    return found.isFile() && found.nlink === 1 ? await use(file, found.size) : ''
  } finally {
    await file.close()
  }
}

async function readAt(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start)
  return buffer.subarray(0, bytesRead)
}
