// The QEMU process of a machine: found by what it is, never by a number in a file alone.
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readIfAny, writeWhole } from '../files.ts'
import { asUser, type QemuUser } from '../unprivileged.ts'
import { type Folder, openForeign } from './folder.ts'

/** What marks a QEMU as this machine's: this argument, and the machine's folder as its working directory. */
export function nameArgument(id: string): string {
  return `guest=${id},debug-threads=on`
}

/** The living process of the machine, whoever started it; undefined when there is none. */
export async function findProcess(folder: Folder, id: string): Promise<number | undefined> {
  const noted = Number(await readIfAny(join(folder.path, 'pid')))
  if (noted > 1 && (await isMachine(noted, folder, id))) return noted
  // Between its start and the note of it only the process table knows it.
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (Number.isInteger(pid) && (await isMachine(pid, folder, id))) return pid
  }
  return undefined
}

async function isMachine(pid: number, folder: Folder, id: string): Promise<boolean> {
  try {
    // A process that has ended but was not waited for has an empty command line.
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    if (!words.includes(nameArgument(id))) return false
    // By number, not by name: the data directory may be mounted elsewhere too.
    const [cwd, own] = await Promise.all([stat(`/proc/${pid}/cwd/`), stat(folder.path)])
    return cwd.ino === own.ino && cwd.dev === own.dev
  } catch {
    return false
  }
}

export interface StartOptions {
  folder: Folder
  user: QemuUser
  /** The data plane's namespace; null: the agent's own. */
  namespace: string | null
  program: string
  args: string[]
  /** Opened for QEMU as descriptor 3. */
  memoryFile?: string
  /** Stops waiting; the QEMU that was started is found again by the next look. */
  signal: AbortSignal
}

/**
 * Starts QEMU in a session of its own, so that it outlives the agent, and resolves when its control socket is there;
 * throws what QEMU said when it ended before. What an earlier try left in `run/` does not matter.
 */
export async function startProcess(options: StartOptions): Promise<void> {
  const { folder, user, namespace, program, args, memoryFile } = options
  const words = [...(namespace === null ? [] : ['ip', 'netns', 'exec', namespace]), ...asUser(user), program, ...args]
  const [command = program, ...rest] = words
  await rm(folder.run('qmp.sock'), { force: true })
  await rm(folder.run('qemu.log'), { force: true })
  const logFlags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_APPEND
  const log = await open(folder.run('qemu.log'), logFlags, 0o600)
  const memory = memoryFile === undefined ? undefined : await open(memoryFile, 'r')
  let child: ChildProcess
  try {
    child = spawn(command, rest, {
      cwd: folder.path,
      detached: true,
      stdio: ['ignore', log.fd, log.fd, ...(memory === undefined ? [] : [memory.fd])],
      env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
    })
    let failure: Error | undefined
    child.on('error', (error) => (failure = error))
    child.unref()
    if (child.pid !== undefined) await writeWhole(join(folder.path, 'pid'), `${child.pid}\n`)
    while (!(await exists(folder.run('qmp.sock')))) {
      if (failure !== undefined) throw new Error(failure.message)
      if (child.exitCode !== null || child.signalCode !== null) {
        const said = await lastWords(folder)
        throw new Error(said === '' ? `QEMU ended at once (${child.exitCode ?? child.signalCode})` : said)
      }
      options.signal.throwIfAborted()
      await pause(10)
    }
  } finally {
    await log.close()
    await memory?.close()
  }
}

/** What the last QEMU said before it fell silent; empty when it said nothing. */
export async function lastWords(folder: Folder): Promise<string> {
  const log = await openForeign(folder.run('qemu.log')).catch(() => undefined)
  if (log === undefined) return ''
  try {
    const { size } = await log.stat()
    const { buffer, bytesRead } = await log.read(Buffer.alloc(2000), 0, 2000, Math.max(0, size - 2000))
    return buffer.toString('utf8', 0, bytesRead).trim()
  } finally {
    await log.close()
  }
}

async function exists(path: string): Promise<boolean> {
  return await readlink(path).then(
    () => true,
    (error: unknown) => error instanceof Error && 'code' in error && error.code === 'EINVAL',
  )
}

/** Ends the process and resolves when it is gone; `gentlyMs` gives it time to end by itself first. */
export async function endProcess(folder: Folder, id: string, gentlyMs: number): Promise<void> {
  const pid = await findProcess(folder, id)
  if (pid === undefined) return
  const startedMs = Date.now()
  let killed = false
  while (!(await isGone(pid))) {
    const waitedMs = Date.now() - startedMs
    if (!killed && waitedMs >= gentlyMs) {
      killed = true
      if (await isMachine(pid, folder, id)) signal(pid, 'SIGKILL')
    } else if (waitedMs > gentlyMs + 30_000) {
      throw new Error(`QEMU (process ${pid}) does not end`)
    }
    await pause(10)
  }
}

/** Gone, or a corpse: only then are its files and locks free (proc(5), `state`). */
async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat === undefined || /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
