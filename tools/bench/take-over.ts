// How long tasks lie still when the process that works on them dies, or freezes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { BenchCloud } from './cloud.ts'
import { launchMany } from './servers.ts'

const root = resolve(import.meta.dirname, '../..')

// Asks the database, for no API shows who has a task; whose session is whose it knows by the session's name. The process is
// frozen first, so that it dies with tasks in its hands and not between two.
const watch = `
  import { setTimeout as delay } from 'node:timers/promises'
  import postgres from 'postgres'
  const [url, pid, how] = [new URL(process.argv[1]), Number(process.argv[2]), process.argv[3]]
  const sql = postgres({ host: url.searchParams.get('host'), database: url.pathname.slice(1), username: url.username, max: 1 })
  const [{ owner }] = await sql\`
    select objid::int as owner from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and classid = 7001 and application_name = \${'pileus-worker-' + pid}\`
  const held = async () =>
    (await sql\`select count(*)::int as tasks from task where state = 'running' and owner = \${owner}\`)[0].tasks
  process.kill(pid, 'SIGSTOP')
  const tasks = await held()
  const began = performance.now()
  if (tasks > 0 && how === 'SIGKILL') process.kill(pid, 'SIGKILL')
  while (tasks > 0 && (await held()) > 0) await delay(5)
  const seconds = (performance.now() - began) / 1000
  if (tasks === 0 || how === 'SIGSTOP') process.kill(pid, 'SIGCONT')
  process.stdout.write(JSON.stringify({ tasks, seconds }))
  await sql.end()`

export interface TakeOver {
  tasks: number
  /** From the death, or the freezing, until others have begun or queued all that it had. */
  seconds: number
  failed: number
}

/** Kills or freezes a server process while servers are made; all of them must become ACTIVE. */
export async function takeOver(cloud: BenchCloud, how: 'SIGKILL' | 'SIGSTOP'): Promise<TakeOver> {
  const url = await databaseUrl(dirname(cloud.run))
  for (let attempt = 0; attempt < 10; attempt++) {
    const pid = readFileSync(join(cloud.run, 'server-1.pid'), 'utf8').trim()
    const many = launchMany(cloud, 100, 16)
    await delay(300)
    const taken = JSON.parse(await node(['--input-type=module', '-e', watch, url, pid, how])) as TakeOver
    const failed = await many
    if (taken.tasks > 0) return { ...taken, failed }
  }
  throw new Error('the process never died with a task in its hands')
}

async function databaseUrl(data: string): Promise<string> {
  const said = await node(['server/src/main.ts', 'database', 'start', '--data', data])
  return (JSON.parse(said.trim().split('\n').at(-1) ?? '{}') as { url: string }).url
}

async function node(args: string[]): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (code !== 0) throw new Error(`node ${args.slice(0, 3).join(' ')} ended with ${code}`)
  return said
}
