// Daemons that outlive the agent: found again by pid file, believed only when the process's command line agrees.
import { chmod, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readIfAny, writeWhole } from '../files.ts'

/** The file has this text, whole or not at all, for every daemon to read; `true` when it had to be written. */
export async function writeText(path: string, text: string): Promise<boolean> {
  if ((await readIfAny(path)) === text) return false
  await writeWhole(path, text, 0o644)
  return true
}

/** The directory is there, and unprivileged daemons can enter it whatever the umask. */
export async function ensureDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  await chmod(path, 0o755)
}

async function commandLine(pid: number): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
  } catch {
    return [] // ended, or ending while it was read
  }
}

/** The pid in the file, if that process runs and was started with this argument. */
export async function findProcess(pidFile: string, argument: string): Promise<number | undefined> {
  const pid = Number((await readIfAny(pidFile))?.trim())
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  return (await isProcess(pid, argument)) ? pid : undefined
}

async function isProcess(pid: number, argument: string): Promise<boolean> {
  return (await commandLine(pid)).some((word) => word.includes(argument))
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

const stopTimeoutMs = 3000

/** Ends the process of the pid file, by force when it does not heed; returns when it is gone. */
export async function stopProcess(pidFile: string, argument: string): Promise<void> {
  const pid = await findProcess(pidFile, argument)
  if (pid !== undefined) {
    signal(pid, 'SIGTERM')
    const deadline = Date.now() + stopTimeoutMs
    while (await isProcess(pid, argument)) {
      if (Date.now() > deadline) signal(pid, 'SIGKILL')
      await pause(10)
    }
  }
  await rm(pidFile, { force: true })
}

export interface Daemon {
  directory: string
  /** What it reads, by file name; the one called `config` is named on its command line. */
  files: Readonly<Record<string, string>> & { config: string }
  /** Starts it; returns once it runs. */
  start: (configPath: string) => Promise<void>
}

/** The daemon runs and has read these files. One that has read others is ended first and started anew. */
export async function ensureDaemon({ directory, files, start }: Daemon): Promise<void> {
  await ensureDirectory(directory)
  const configPath = join(directory, 'config')
  const pidFile = join(directory, 'pid')
  const running = await findProcess(pidFile, configPath)
  const texts = await Promise.all(Object.keys(files).map((name) => readIfAny(join(directory, name))))
  if (running !== undefined && Object.values(files).every((text, i) => text === texts[i])) return
  // Ended before the files change: otherwise a crash in between would leave the old process with the new files.
  await stopProcess(pidFile, configPath)
  for (const [name, text] of Object.entries(files)) await writeText(join(directory, name), text)
  await start(configPath)
}

export async function stopDaemon(directory: string): Promise<void> {
  await stopProcess(join(directory, 'pid'), join(directory, 'config'))
  await rm(directory, { recursive: true, force: true })
}

export async function signalDaemon(directory: string, name: NodeJS.Signals): Promise<void> {
  const pid = await findProcess(join(directory, 'pid'), join(directory, 'config'))
  if (pid !== undefined) signal(pid, name)
}
