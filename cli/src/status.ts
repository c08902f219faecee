import { statSync } from 'node:fs'
import { exchange } from './cloud/http.ts'
import type { Session } from './cloud/session.ts'
import { type Credentials, findCredentials } from './credentials.ts'
import { dataDirectory, type DataDirectory } from './data-directory.ts'
import { readFlags } from './options.ts'
import { livePid, pidFile, pidNames } from './pid-file.ts'
import { table } from './table.ts'
import { sentenceOf, stop } from './trouble.ts'
import { marksOf } from './up/leftovers.ts'

interface Hypervisor {
  hypervisor_hostname: string
  state: string
  status: string
}

const listedHosts = 20

/** What runs, whether it is well, its hosts and guests. Exit code 1 when it is not running or not well. */
export async function status(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values } = readFlags('status', args, { data: { type: 'string' } })
  const data = dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var')
  const processes = await listProcesses(data)
  if (processes.length === 0) stop(`The cloud in ${data.shown} is not running.`)
  say(table(['process', 'pid', 'state', 'since'], processes))
  const credentials = findCredentials(data) ?? stop(`There is no clouds.yaml in ${data.shown} yet.`)
  const health = await findHealth(credentials)
  say(`\n${health.sentence}`)
  if (!health.ready) {
    process.exitCode = 1
    return
  }
  const { signIn } = await import('./cloud/session.ts')
  await showHosts(await signIn(credentials))
}

async function listProcesses(data: DataDirectory): Promise<string[][]> {
  const rows: string[][] = []
  for (const name of await pidNames(data.run)) {
    const file = pidFile(data.run, name)
    const pid = livePid(file, marksOf(name))
    const since =
      pid === undefined
        ? ''
        : statSync(file)
            .mtime.toISOString()
            .replace(/\.\d+Z$/, 'Z')
    rows.push([name, pid === undefined ? '' : String(pid), pid === undefined ? 'gone' : 'running', since])
  }
  return rows.some(([, pid]) => pid !== '') ? rows : []
}

async function findHealth({ authUrl }: Credentials): Promise<{ ready: boolean; sentence: string }> {
  const base = authUrl.replace(/\/identity\/v3$/, '')
  try {
    const reply = await exchange(`${base}/readyz`, { method: 'GET' })
    return reply.status === 200
      ? { ready: true, sentence: `The API at ${base} is ready.` }
      : { ready: false, sentence: `The API at ${base} is not ready: ${reply.text.trim()}` }
  } catch {
    return { ready: false, sentence: `The API at ${base} does not answer.` }
  }
}

async function showHosts(session: Session): Promise<void> {
  const [{ request }, { listGuests }] = await Promise.all([import('./cloud/session.ts'), import('./cloud/guests.ts')])
  try {
    const { hypervisors } = await request<{ hypervisors: Hypervisor[] }>(
      session,
      'GET',
      `${session.endpoint('compute')}/os-hypervisors`,
    )
    const up = hypervisors.filter(({ state }) => state === 'up').length
    say(`\nHosts: ${hypervisors.length}, ${up} up.`)
    const shown = hypervisors.slice(0, listedHosts).map((h) => [h.hypervisor_hostname, h.state, h.status])
    if (shown.length > 0) say(table(['host', 'state', 'status'], shown))
    if (hypervisors.length > listedHosts) say(`… and ${hypervisors.length - listedHosts} more.`)
    say(`\n${countGuests(await listGuests(session))}`)
  } catch (error) {
    stop(sentenceOf(error) ?? String(error))
  }
}

function countGuests(guests: { status: string }[]): string {
  const counts = new Map<string, number>()
  for (const { status: word } of guests) counts.set(word, (counts.get(word) ?? 0) + 1)
  const each = [...counts].map(([word, count]) => `${count} ${word}`).join(', ')
  return `Guests: ${guests.length}${each === '' ? '' : ` (${each})`}.`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
