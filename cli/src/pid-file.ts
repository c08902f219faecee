import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** True while the process runs; one that has ended and only waits to be collected does not. */
export function isAlive(pid: number): boolean {
  try {
    // After the command's closing parenthesis, for it may hold anything, comes the state letter.
    const state = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.[0]
    return state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}

/** The process of a pid file when it still runs and is ours (pids are used again); `marks` must all be in its command line. */
export function livePid(path: string, marks: string[]): number | undefined {
  const pid = readPid(path)
  if (pid === undefined || !isAlive(pid)) return undefined
  try {
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return marks.every((mark) => commandLine.includes(mark)) ? pid : undefined
  } catch {
    return undefined
  }
}

export function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim())
    return Number.isInteger(pid) && pid > 1 ? pid : undefined
  } catch {
    return undefined
  }
}

export function writePid(path: string, pid: number): void {
  writeFileSync(path, `${pid}\n`)
}

export function removePid(path: string): void {
  rmSync(path, { force: true })
}

/** The names (without `.pid`) of all pid files in a run folder, servers in their order. */
export async function pidNames(runFolder: string): Promise<string[]> {
  const files = await readdir(runFolder).catch(() => [])
  const names = files.filter((file) => file.endsWith('.pid')).map((file) => file.slice(0, -'.pid'.length))
  return names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
}

export function pidFile(runFolder: string, name: string): string {
  return join(runFolder, `${name}.pid`)
}
