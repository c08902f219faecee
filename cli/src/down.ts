import { setTimeout as delay } from 'node:timers/promises'
import { dataDirectory, type DataDirectory } from './data-directory.ts'
import { findCredentials } from './credentials.ts'
import { isLocked } from './lock.ts'
import { readFlags } from './options.ts'
import { livePid, pidFile, removePid } from './pid-file.ts'
import { stop } from './trouble.ts'
import { stopDatabase } from './up/database.ts'
import { marksOf, stopLeftovers } from './up/leftovers.ts'
import { existsSync } from 'node:fs'

const graceMs = 20_000
const withinMs = 90_000

/** Stops servers, agent and database of a data directory; guests only with `--guests`, and then first. */
export async function down(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { values } = readFlags('down', args, { data: { type: 'string' }, guests: { type: 'boolean' } })
  const data = dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var')
  if (!existsSync(data.run)) return say(`There is no cloud in ${data.shown}.`)
  const supervisor = livePid(pidFile(data.run, 'supervisor'), marksOf('supervisor'))
  const running = supervisor !== undefined && isLocked(data.run)
  if (values.guests) await stopGuests(data)
  if (running) return stopSupervisor(data, supervisor)
  removePid(pidFile(data.run, 'supervisor'))
  const left = await stopLeftovers(data, graceMs)
  const database = livePid(pidFile(data.run, 'postgres'), marksOf('postgres'))
  if (database !== undefined) {
    await stopDatabase(data, env)
    left.push('postgres')
  }
  say(
    left.length > 0
      ? `Stopped ${left.join(', ')}. Guests were left alone.`
      : `The cloud in ${data.shown} is not running.`,
  )
}

async function stopSupervisor(data: DataDirectory, pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM')
  const until = performance.now() + withinMs
  while (isLocked(data.run)) {
    if (performance.now() > until)
      stop(
        `The cloud in ${data.shown} has not stopped within ${withinMs / 1000} s; see ${data.shown}/log/supervisor.log.`,
      )
    await delay(50)
  }
  say(`The cloud in ${data.shown} is stopped.`)
}

async function stopGuests(data: DataDirectory): Promise<void> {
  const credentials = findCredentials(data) ?? stop(`There is no cloud in ${data.shown}.`)
  const [{ signIn }, guests] = await Promise.all([import('./cloud/session.ts'), import('./cloud/guests.ts')])
  const session = await signIn(credentials)
  const count = await guests.stopAllGuests(session, say)
  say(count === 0 ? 'No guest was running.' : `Guests stopped: ${count}.`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
