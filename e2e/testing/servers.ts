// Server processes on an embedded database, without the supervisor that would wait between their deaths: for tests that
// kill many.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Api, signIn } from './api.ts'
import { scratch, type Undo } from './cleanup.ts'
import { freePort } from './cloud.ts'
import { rowsAt } from './database.ts'
import { must } from './run.ts'
import { until } from './until.ts'

const root = resolve(import.meta.dirname, '../..')
const main = ['server/src/main.ts']
const password = 'chaos'

/** Who dies: a server of that number, the whole database, one of its processes, or, by SIGTERM, one of its sessions. */
export type Victim = number | 'postgres' | 'backend' | 'session'

export interface Servers {
  data: string
  port: number
  s3Port: number
  api: Api
  /** Kills it with SIGKILL and has it started again; false when it was not up. */
  strike(victim: Victim): Promise<boolean>
  /** Waits until all are up again. */
  whole(): Promise<void>
  rows<T>(question: string): Promise<T[]>
  /** Servers that were up and ended though nobody killed them. */
  readonly fallen: number
  /** What they said of bugs, and what ended them. */
  log(): string
}

export async function startServers(undo: Undo, count: number, settings: Record<string, string>): Promise<Servers> {
  const data = join(await scratch(undo), 'var')
  mkdirSync(data, { mode: 0o755 }) // the database is another user
  const [port, s3Port] = [await freePort(), await freePort()]
  const env = {
    ...process.env,
    PILEUS_DATA: data,
    PILEUS_ADMIN_PASSWORD: password,
    NODE_COMPILE_CACHE: `${data}.compiled`,
    ...settings,
  }
  const logFile = `${data}.log`
  let database = { url: '', pid: 0 }
  const startDatabase = async () => {
    const said = await must(process.execPath, [...main, 'database', 'start', '--data', data], { cwd: root, env })
    database = JSON.parse(said.trim().split('\n').at(-1) ?? '') as typeof database
  }
  const stops: (() => unknown)[] = []
  undo(async () => {
    for (const stop of stops) await stop()
    await must(process.execPath, [...main, 'database', 'stop', '--data', data], { cwd: root, env })
  })
  await startDatabase()
  await must(process.execPath, [...main, 'prepare', '--database', database.url], { cwd: root, env })

  interface Server {
    child: ChildProcess
    ready: boolean
  }
  const servers: Server[] = []
  let ending = false
  let fallen = 0
  const start = (number: number) => {
    const log = openSync(logFile, 'a')
    const where = ['--listen', `127.0.0.1:${port}`, '--s3-listen', `127.0.0.1:${s3Port}`]
    const words = ['serve', '--database', database.url, ...where, '--sim', '1']
    const child = spawn(process.execPath, [...main, ...words], { cwd: root, env, stdio: ['ignore', 'pipe', log] })
    closeSync(log)
    const server: Server = { child, ready: false }
    servers[number] = server
    child.stdout?.once('data', () => (server.ready = true)).on('data', (said: Buffer) => appendFileSync(logFile, said))
    child.once('exit', (_code, signal) => {
      if (server.ready && signal !== 'SIGKILL') fallen++
      server.ready = false
      if (!ending) start(number)
    })
  }
  for (let number = 0; number < count; number++) start(number)
  stops.push(async () => {
    ending = true
    for (const { child } of servers) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
  })
  const whole = async () => {
    await until('all servers are up', async () => servers.every(({ ready }) => ready))
    await until('the API is ready', async () => (await api.send('GET', '/readyz')).status === 200)
  }
  await until('all servers are up', async () => servers.every(({ ready }) => ready))
  const api = await signIn({ protocol: 'http:', host: '127.0.0.1', port: String(port) }, password)
  return {
    data,
    port,
    s3Port,
    api,
    async strike(victim) {
      if (typeof victim === 'number') {
        // one answers while another one starts
        if (servers.filter(({ ready }) => ready).length < 2 || !servers[victim]?.ready) return false
        return servers[victim].child.kill('SIGKILL')
      }
      if (victim === 'postgres') {
        process.kill(database.pid, 'SIGKILL')
        await startDatabase()
        return true
      }
      const sessions = sessionsOf(database.pid)
      if (sessions.length === 0) return false
      try {
        process.kill(sessions[randomInt(sessions.length)]!, victim === 'backend' ? 'SIGKILL' : 'SIGTERM')
        return true
      } catch {
        return false // it has ended meanwhile
      }
    },
    whole,
    rows: (question) => rowsAt(database.url, question),
    get fallen() {
      return fallen
    },
    log: () =>
      readFileSync(logFile, 'utf8')
        .split('\n')
        .filter((line) => !line.startsWith('{') || line.includes('request failed'))
        .join('\n'),
  }
}

/** PostgreSQL's processes that serve a server's connection. */
function sessionsOf(postmaster: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const isChild = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(postmaster)
      return isChild && readFileSync(`/proc/${name}/cmdline`, 'utf8').startsWith('postgres: pileus ')
        ? [Number(name)]
        : []
    } catch {
      return [] // it has ended meanwhile
    }
  })
}
