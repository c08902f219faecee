import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  /** Name of the network namespace to run in; none: the test's own. */
  namespace?: string | undefined
  env?: NodeJS.ProcessEnv | undefined
  cwd?: string
  input?: string
  timeoutMs?: number
}

/** A command in a namespace. Not `ip netns exec`: its private mounts hide the namespaces that an agent makes. */
export function inNamespace(namespace: string | undefined, command: string, args: string[]): [string, string[]] {
  return namespace === undefined
    ? [command, args]
    : ['nsenter', [`--net=/run/netns/${namespace}`, '--', command, ...args]]
}

/** Runs a program to its end; one that takes too long is killed, with its whole process group. */
export async function run(command: string, args: string[], options: RunOptions = {}): Promise<Ended> {
  const { namespace, env = process.env, cwd, input = '', timeoutMs = 120_000 } = options
  const [program, words] = inNamespace(namespace, command, args)
  const child = spawn(program, words, { env, ...(cwd && { cwd }), detached: true, stdio: 'pipe' })
  let late = false
  const timer = setTimeout(() => {
    late = true
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, timeoutMs)
  child.stdin.on('error', () => {}) // a program need not read what it is given
  child.stdin.end(input)
  const ended = once(child, 'exit')
  try {
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    if (late) throw new Error(`${command} ${args.join(' ')} did not end within ${timeoutMs} ms\n${stdout}${stderr}`)
    return { code: typeof code === 'number' ? code : 1, stdout, stderr }
  } finally {
    clearTimeout(timer)
  }
}

/** Runs a program that must succeed and answers its output. */
export async function must(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`)
  return stdout
}
