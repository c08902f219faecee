import { setTimeout as delay } from 'node:timers/promises'
import type { DataDirectory } from '../data-directory.ts'
import { isAlive, pidFile, removePid, writePid } from '../pid-file.ts'
import { runOnce, serverMain } from '../programs.ts'
import { stop } from '../trouble.ts'
import { openPassage } from './passage.ts'

interface Running {
  url: string
  pid: number
}

/** Starts the embedded PostgreSQL, or finds it running. It is a daemon and outlives us unless it is stopped. */
export async function startDatabase(data: DataDirectory, env: NodeJS.ProcessEnv): Promise<Running> {
  const log = `${data.log}/database.log`
  const output = await runOnce({
    command: process.execPath,
    args: await databaseArgs(data, 'start'),
    env,
    log,
    failure: 'The database does not start.',
  })
  const running = parseRunning(output) ?? stop(`The database's start gave no address; see ${log}.`)
  writePid(pidFile(data.run, 'postgres'), running.pid)
  return running
}

// PostgreSQL runs as a user of its own, who must reach its data.
async function databaseArgs(data: DataDirectory, verb: 'start' | 'stop'): Promise<string[]> {
  return [serverMain, 'database', verb, '--data', await openPassage(data.path)]
}

function parseRunning(output: string): Running | undefined {
  const line = output.split('\n').findLast((text) => text.startsWith('{'))
  if (line === undefined) return undefined
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null || !('url' in value) || !('pid' in value)) return undefined
  return { url: String(value.url), pid: Number(value.pid) }
}

export async function stopDatabase(data: DataDirectory, env: NodeJS.ProcessEnv): Promise<void> {
  await runOnce({
    command: process.execPath,
    args: await databaseArgs(data, 'stop'),
    env,
    log: `${data.log}/database.log`,
    failure: 'The database does not stop.',
  })
  removePid(pidFile(data.run, 'postgres'))
}

const failuresBeforeGivingUp = 5

/** Starts the database again whenever its process has gone. Rejects when that fails again and again; ends on the signal. */
export async function watchDatabase(
  data: DataDirectory,
  first: Running,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let { pid } = first
  for (let failures = 0; !signal.aborted;) {
    await delay(500, undefined, { signal }).catch(() => {})
    if (signal.aborted || isAlive(pid)) continue
    say(`The database (process ${pid}) has gone; starting it again.`)
    try {
      ;({ pid } = await startDatabase(data, env))
      failures = 0
    } catch (error) {
      failures += 1
      if (failures >= failuresBeforeGivingUp) throw error
      await delay(500 * failures, undefined, { signal }).catch(() => {})
    }
  }
}
