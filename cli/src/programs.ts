import { execFile, spawn } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { stop } from './trouble.ts'

/** The root of the source tree: where `pileus`, `server/` and `agent/` lie. */
export const root = resolve(import.meta.dirname, '../..')
/** The programs' paths in the tree; also what their processes are known by. */
export const programs = { server: 'server/src/main.ts', agent: 'agent/src/main.ts', cli: 'cli/src/main.ts' }
export const serverMain = join(root, programs.server)
export const agentMain = join(root, programs.agent)
export const cliMain = join(root, programs.cli)
export const guestImageScript = join(root, 'tools/guest/build-guest-image.sh')

/**
 * For every process that lives long, and for what warms the compile cache for them (V8 keeps one for each set of flags).
 * A young generation that may grow to its default keeps up to 30 MB of each process that was busy once. Of 8 MB no
 * request is dearer; with 4 MB, or with fewer of V8's helper threads, creating networks and ports cost a third more.
 */
export const nodeFlags = ['--max-semi-space-size=8']

export const largestLogBytes = 50 * 2 ** 20

/** Opens a log for appending; one that has grown large is put aside first as `<path>.1`. */
export function openLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > largestLogBytes) renameSync(path, `${path}.1`)
  return openSync(path, 'a', 0o640)
}

/** Adds a line with the time to a log. A disk that is full costs the line and nothing else. */
export function addLine(path: string, line: string): void {
  try {
    appendFileSync(path, `${new Date().toISOString()} ${line}\n`)
  } catch {
    // Whoever watches hears the line anyway.
  }
}

/** The end of a log, at most `mostBytes` of what came after `from`; all of it counts when it was emptied meanwhile. */
export function readLog(path: string, from: number, mostBytes = 64 * 1024): Buffer {
  const log = openSync(path, 'r')
  try {
    const { size } = fstatSync(log)
    const start = Math.max(from <= size ? from : 0, size - mostBytes)
    const bytes = Buffer.alloc(size - start)
    return bytes.subarray(0, readSync(log, bytes, 0, bytes.length, start))
  } finally {
    closeSync(log)
  }
}

/** The last thing that a program had to say: the last line of its log since `from` (bytes), a message unpacked from JSON. */
export function lastWords(path: string, from = 0): string | undefined {
  try {
    return lastSentence(readLog(path, from).toString('utf8'))
  } catch {
    return undefined
  }
}

/** The line of an output that says most about a failure: the last one that is not part of a stack. */
export function lastSentence(output: string): string | undefined {
  const lines = output
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at |^\s*[{}]|^Node\.js v/.test(line.replace(/^\{"/, '')))
  const line = lines.at(-1)?.trim()
  if (!line?.startsWith('{')) return line
  try {
    const record: unknown = JSON.parse(line)
    if (typeof record === 'object' && record !== null && 'msg' in record) return String(record.msg)
  } catch {
    // A line that only looks like JSON stands for itself.
  }
  return line
}

/** Runs a small program to its end and answers all it said. */
export function runQuietly(command: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(command, args, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    )
  })
}

interface Once {
  command: string
  args: string[]
  env: NodeJS.ProcessEnv
  log: string
  /** Ends the whole process group. */
  signal?: AbortSignal
  /** Put before the program's own last words when it fails. */
  failure: string
}

/**
 * Runs a program to its end, in a session of its own so that a Ctrl-C meant for us does not reach it; both outputs go to
 * the log. Answers its standard output; a failure ends with the program's own last words.
 */
export async function runOnce({ command, args, env, log, signal, failure }: Once): Promise<string> {
  const logFd = openLog(log)
  const from = statSync(log).size
  // A file, not a pipe: a daemon that the program leaves behind may hold its output open for ever.
  const outputFile = `${log}.${process.pid}.out`
  const outputFd = openSync(outputFile, 'w', 0o600)
  try {
    const child = spawn(command, args, { env, cwd: '/', detached: true, stdio: ['ignore', outputFd, logFd] })
    const kill = () => child.pid !== undefined && process.kill(-child.pid, 'SIGTERM')
    signal?.addEventListener('abort', kill, { once: true })
    const ended = Promise.withResolvers<string>()
    child.on('error', ended.reject)
    child.on('exit', (code, by) => ended.resolve(code === 0 ? '' : (by ?? `exit code ${code}`)))
    const how = await ended.promise
    signal?.removeEventListener('abort', kill)
    if (how === '') return readFileSync(outputFile, 'utf8')
    signal?.throwIfAborted()
    return stop(joinSentences(failure, lastWords(log, from) ?? `It ended with ${how}; see ${log}.`))
  } finally {
    closeSync(logFd)
    closeSync(outputFd)
    rmSync(outputFile, { force: true })
  }
}

function joinSentences(first: string, second: string): string {
  return first === '' ? second : `${first} ${second}`
}
