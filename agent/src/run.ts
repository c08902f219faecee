// Runs one program to its end.
import { spawn } from 'node:child_process'

export interface RunOptions {
  /** Written to the program's standard input, which is then closed. */
  input?: string | Buffer
  /** The program is killed after this time; 60 s unless told. */
  timeoutMs?: number
  signal?: AbortSignal
  /** Entered before any change of user: reaches a folder whose parents the new user may not enter. */
  cwd?: string
}

export interface RunResult {
  stdout: string
  stderr: string
}

/** The program could not be started, ended badly, or took too long; the message carries what it said on stderr. */
export class RunError extends Error {
  override name = 'RunError'
  /** null: it never started, or a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  constructor(message: string, exitCode: number | null, stdout: string, stderr: string, cause?: unknown) {
    super(message, { cause })
    this.exitCode = exitCode
    this.stdout = stdout
    this.stderr = stderr
  }
}

// What a program may print before it counts as gone mad; more would fill the agent's memory.
const outputLimitBytes = 16 * 1024 * 1024

/** Runs `cmd` (no shell), resolves with its output on exit 0, else throws a `RunError`. */
export function run(cmd: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, timeoutMs = 60_000, signal, cwd } = options
  return new Promise((resolve, reject) => {
    const child = spawn(cmd, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
      ...(cwd === undefined ? {} : { cwd }),
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    let size = 0
    let failure: { why: string; cause?: unknown } | undefined
    const keep = (into: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length
      if (size <= outputLimitBytes) into.push(chunk)
      else if (failure === undefined) {
        failure = { why: `printed more than ${outputLimitBytes} bytes` }
        child.kill('SIGKILL')
      }
    }
    child.stdout.on('data', keep(out))
    child.stderr.on('data', keep(err))
    const timer = setTimeout(() => {
      failure = { why: `did not end within ${timeoutMs} ms` }
      child.kill('SIGKILL')
    }, timeoutMs)
    child.on('error', (cause) => (failure ??= { why: cause.message, cause }))
    child.on('close', (code, endedBy) => {
      clearTimeout(timer)
      const stdout = Buffer.concat(out).toString('utf8')
      const stderr = Buffer.concat(err).toString('utf8')
      if (failure === undefined && code === 0) return resolve({ stdout, stderr })
      const why = failure?.why ?? (endedBy === null ? `exit code ${code}` : `killed by ${endedBy}`)
      const said = stderr.trim().slice(-2000)
      const message = `${[cmd, ...args].join(' ').slice(0, 300)}: ${why}${said === '' ? '' : `: ${said}`}`
      reject(new RunError(message, code, stdout, stderr, failure?.cause))
    })
    // A program that ends without reading its input breaks the pipe; its exit code tells the story.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
