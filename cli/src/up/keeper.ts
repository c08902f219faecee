import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { removePid, writePid } from '../pid-file.ts'
import { largestLogBytes, lastWords, nodeFlags, openLog, readLog } from '../programs.ts'

export interface Program {
  name: string
  /** Node's arguments. */
  args: string[]
  env: NodeJS.ProcessEnv
  log: string
  pidFile: string
  /** The line of its log that says it is ready; null: it is ready when it runs. */
  readyMark: string | null
}

export interface Keeper {
  name: string
  /** Resolves at the first readiness; rejects when the program is given up or stopped before. */
  ready: Promise<void>
  /** SIGTERM, and SIGKILL when it has not ended after `graceMs`. */
  stop(graceMs: number): Promise<void>
  kill(): void
}

// A program that dies this soon after its start counts as failed again.
const shortLifeMs = 5_000
const patience = { beforeReady: 3, afterReady: 8 }
const longestPauseMs = 5_000

/** Starts a program and starts it again whenever it dies, with growing pauses; gives up with a sentence after repeated failures. */
export function keep(program: Program, say: (line: string) => void, giveUp: (sentence: string) => void): Keeper {
  const first = Promise.withResolvers<void>()
  first.promise.catch(() => {})
  const stopping = new AbortController()
  let child: ChildProcess | undefined
  let wasReady = false

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted;) {
      const startedAt = performance.now()
      const end = await once()
      removePid(program.pidFile)
      if (stopping.signal.aborted) break
      failures = performance.now() - startedAt < shortLifeMs ? failures + 1 : 0
      say(`${program.name} ended (${end.how}); starting it again.`)
      if (failures >= (wasReady ? patience.afterReady : patience.beforeReady)) {
        const words = lastWords(program.log, end.logFrom)
        const sentence = `The ${program.name} ended ${failures} times right after its start and is given up: ${words ?? end.how} (see ${program.log})`
        first.reject(new Error(sentence))
        giveUp(sentence)
        return
      }
      const pauseMs = failures <= 1 ? 0 : Math.min(100 * 2 ** (failures - 1), longestPauseMs)
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {})
    }
    first.reject(new Error(`The ${program.name} was stopped.`))
  }

  async function once(): Promise<{ how: string; logFrom: number }> {
    const log = openLog(program.log)
    const logFrom = statSync(program.log).size
    try {
      // A session of its own: a Ctrl-C in our terminal is for us, and we stop things in order.
      child = spawn(process.execPath, [...nodeFlags, ...program.args], {
        env: program.env,
        detached: true,
        stdio: ['ignore', log, log],
      })
      const ended = Promise.withResolvers<string>()
      child.on('error', (error) => ended.resolve(error.message))
      child.on('exit', (code, by) => ended.resolve(by ?? `exit code ${code}`))
      if (child.pid !== undefined) notePid(child.pid)
      const gone = new AbortController()
      const watching = watchReady(logFrom, gone.signal)
      const how = await ended.promise
      gone.abort()
      await watching
      return { how, logFrom }
    } finally {
      child = undefined
      closeSync(log)
    }
  }

  // A full disk must not end what runs: without the file only 'status' knows less.
  function notePid(pid: number): void {
    try {
      writePid(program.pidFile, pid)
    } catch (error) {
      say(`The number of ${program.name} could not be written down: ${String(error)}`)
    }
  }

  async function watchReady(logFrom: number, gone: AbortSignal): Promise<void> {
    let seen = logFrom
    let said = Buffer.alloc(0)
    while (!wasReady && !gone.aborted) {
      const { readyMark } = program
      const news = readyMark === null ? said : readLog(program.log, seen, largestLogBytes)
      said = Buffer.concat([said, news])
      if (readyMark === null || said.includes(readyMark)) {
        wasReady = true
        first.resolve()
        return
      }
      const { size } = statSync(program.log)
      seen = size < seen ? 0 : seen + news.length
      said = said.subarray(-readyMark.length) // the mark may come in two pieces
      await delay(20, undefined, { signal: gone }).catch(() => {})
    }
  }

  const running = run()
  running.catch((error: unknown) => giveUp(error instanceof Error ? error.message : String(error)))
  return {
    name: program.name,
    ready: first.promise,
    kill: () => void child?.kill('SIGKILL'),
    async stop(graceMs) {
      stopping.abort()
      child?.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), graceMs)
      await running.catch(() => {})
      clearTimeout(timer)
      removePid(program.pidFile)
    },
  }
}
