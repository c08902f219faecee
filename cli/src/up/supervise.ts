import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { type DataDirectory, prepareDataDirectory } from '../data-directory.ts'
import { takeLock } from '../lock.ts'
import { pidFile, readPid, removePid, writePid } from '../pid-file.ts'
import { addLine, root } from '../programs.ts'
import { sentenceOf, stop } from '../trouble.ts'
import { stopDatabase } from './database.ts'
import { stopLeftovers } from './leftovers.ts'
import { requireFreePort } from './port.ts'
import type { Settings } from './settings.ts'
import { startCloud, type Supervision } from './start.ts'
import { trimLogs } from './trim-logs.ts'

const graceMs = 20_000

interface Listener {
  say: (line: string) => void
  ready: (seconds: string) => void
}

/** The life of one cloud: starts it, keeps it running, and stops it in order at a signal. Ends with a sentence on trouble. */
export async function supervise(settings: Settings, env: NodeJS.ProcessEnv, listener: Listener): Promise<void> {
  const { data } = settings
  const startedAt = performance.now()
  await prepareDataDirectory(data)
  const lock = takeLock(data.run) ?? alreadyRuns(settings)
  const ownPidFile = pidFile(data.run, 'supervisor')
  writePid(ownPidFile, process.pid)
  try {
    await run()
  } finally {
    removePid(ownPidFile)
    lock.release()
  }

  async function run(): Promise<void> {
    const note = (line: string) => addLine(join(data.log, 'supervisor.log'), line)
    const say = (line: string) => {
      note(line)
      listener.say(line)
    }
    const trimming = trimLogs(data.log)
    const left = await stopLeftovers(data, graceMs)
    if (left.length > 0) say(`Stopped what an earlier run had left behind: ${left.join(', ')}.`)
    await requireFreePort(settings.listen)
    if (settings.s3) await requireFreePort(settings.s3.listen, '--s3-listen')
    const halt = new AbortController()
    const end = Promise.withResolvers<string | null>() // a sentence when it ends in trouble
    const supervision: Supervision = {
      settings,
      env: childEnvironment(env, compileCache(data)),
      say,
      giveUp: end.resolve,
      signal: halt.signal,
      keepers: [],
      seconds: () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
    }
    let signals = 0
    const onSignal = () => {
      end.resolve(null)
      signals += 1
      if (signals > 1) for (const keeper of supervision.keepers) keeper.kill()
    }
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
    const starting = startCloud(supervision)
    starting.then(
      () => listener.ready(supervision.seconds()),
      (error: unknown) => end.reject(error),
    )
    const sentence = await end.promise.catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    )
    if (sentence === null) say('Stopping the servers and the database; guests are left alone …')
    else note(`Stopping: ${typeof sentence === 'string' ? sentence : (sentence.stack ?? sentence.message)}`)
    halt.abort()
    await starting.catch(() => {})
    await Promise.all(supervision.keepers.map((keeper) => keeper.stop(graceMs)))
    trimming.stop()
    const hasDatabase = settings.database === null && readPid(pidFile(data.run, 'postgres')) !== undefined
    if (hasDatabase)
      await stopDatabase(data, supervision.env).catch((error: unknown) => say(sentenceOf(error) ?? String(error)))
    note('Stopped.')
    if (typeof sentence === 'string') stop(sentence)
    if (sentence !== null) throw sentence
  }
}

function alreadyRuns({ data }: Settings): never {
  const pid = readPid(pidFile(data.run, 'supervisor'))
  const who = pid === undefined ? '' : ` (process ${pid})`
  return stop(
    `The cloud in ${data.shown} is already running${who}; see it with 'pileus status', end it with 'pileus down'.`,
  )
}

// Compiled code depends on the tree, not on the data: kept with the packages it serves the next data directory too.
function compileCache(data: DataDirectory): string {
  const modules = join(root, 'node_modules')
  try {
    accessSync(modules, constants.W_OK)
    return join(modules, '.cache/pileus/compiled')
  } catch {
    return join(data.cache, 'compiled')
  }
}

// Secrets and our own settings go to the one program that needs them, not to all.
const keptBack = ['DATABASE', 'DATA', 'LISTEN', 'S3_LISTEN', 'PUBLIC_URL', 'ADMIN_PASSWORD'].map(
  (name) => `PILEUS_${name}`,
)

function childEnvironment(env: NodeJS.ProcessEnv, compileCache: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !keptBack.includes(name) && !name.startsWith('OS_'))
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: compileCache }
}
