import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request, type Session, signIn } from '../cloud/session.ts'
import { writeCredentials } from '../credentials.ts'
import { formatListen } from '../options.ts'
import { pidFile } from '../pid-file.ts'
import { agentMain, nodeFlags, runOnce, serverMain } from '../programs.ts'
import { blankImage, type GuestImage } from '../seed/image.ts'
import { physicalNetwork, publicGateway, publicPrefix } from '../seed/networks.ts'
import { isSeeded, seed } from '../seed/seed.ts'
import { sentenceOf, stop, Trouble } from '../trouble.ts'
import { startDatabase, watchDatabase } from './database.ts'
import { buildGuestImage } from './guest-image.ts'
import { keep, type Keeper, type Program } from './keeper.ts'
import { openPassage } from './passage.ts'
import { writeS3Credentials } from './s3.ts'
import { adminCredentials, type Settings } from './settings.ts'

/** What the supervisor gives each step of the start. */
export interface Supervision {
  settings: Settings
  env: NodeJS.ProcessEnv
  say: (line: string) => void
  /** Ends the whole cloud with this sentence. */
  giveUp: (sentence: string) => void
  /** Aborted when the cloud is to stop. */
  signal: AbortSignal
  /** All that must be stopped, in the order of their start. */
  keepers: Keeper[]
  seconds: () => string
}

/** Brings everything up; when it resolves the cloud is ready. */
export async function startCloud(supervision: Supervision): Promise<void> {
  const { settings, env, say, signal } = supervision
  const { data } = settings
  const image = guestImage(supervision)
  image.catch(() => {}) // it is awaited later, and only when nothing failed before
  const credentials = adminCredentials(settings)
  await writeCredentials(data, credentials)
  const url = await findDatabase(supervision)
  signal.throwIfAborted()
  const serverEnv = { ...env, PILEUS_DATABASE: url, PILEUS_DATA: data.path, PILEUS_PUBLIC_URL: settings.publicUrl }
  await runOnce({
    command: process.execPath,
    args: [...nodeFlags, serverMain, 'prepare', '--data', data.path],
    env: { ...serverEnv, PILEUS_ADMIN_PASSWORD: credentials.password },
    log: join(data.log, 'prepare.log'),
    failure: '',
  })
  signal.throwIfAborted()
  const servers = Array.from({ length: settings.processes }, (_, i) =>
    start(supervision, serverProgram(settings, `server-${i + 1}`, serverEnv)),
  )
  await Promise.all(servers.map((server) => server.ready))
  const session = await signIn(credentials).catch(async (error: unknown) => {
    // A password that was only made up now must not pass for the right one at the next start.
    if (credentials.isNew) await Promise.all([data.cloudsYaml, data.openrc].map((path) => rm(path, { force: true })))
    throw explainSignIn(error, settings)
  })
  say(`The API answers at ${settings.publicUrl} (${supervision.seconds()}).`)
  await writeS3Credentials(session, settings)
  signal.throwIfAborted()
  if (settings.agent) await startAgent(supervision, session)
  const seeding = seed(session, image, data.seeded)
  await Promise.all([seeding, settings.agent && untilHostUp(session, supervision)])
}

function explainSignIn(error: unknown, { data }: Settings): unknown {
  if (!(error instanceof Trouble) || !error.message.includes('does not accept the password')) return error
  return new Trouble(
    `The database already has a user 'admin' whose password is not the one in ${data.shown}/clouds.yaml; put the right one there, or delete the file and set PILEUS_ADMIN_PASSWORD.`,
    1,
    { cause: error },
  )
}

async function findDatabase({ settings, env, say, giveUp, signal }: Supervision): Promise<string> {
  if (settings.database !== null) return settings.database
  say(`Starting PostgreSQL in ${settings.data.shown} …`)
  const running = await startDatabase(settings.data, env)
  watchDatabase(settings.data, running, env, say, signal).catch((error: unknown) =>
    giveUp(`The database is lost. ${error instanceof Error ? error.message : String(error)}`),
  )
  return running.url
}

function start({ keepers, say, giveUp }: Supervision, program: Program): Keeper {
  const keeper = keep(program, say, giveUp)
  keepers.push(keeper)
  return keeper
}

function serverProgram({ data, listen, s3, simHosts }: Settings, name: string, env: NodeJS.ProcessEnv): Program {
  const s3Listen = s3 ? ['--s3-listen', formatListen(s3.listen)] : []
  const sim = simHosts > 0 ? ['--sim', String(simHosts)] : []
  return {
    name,
    args: [serverMain, 'serve', '--data', data.path, '--listen', formatListen(listen), ...s3Listen, ...sim],
    env,
    log: join(data.log, `${name}.log`),
    pidFile: pidFile(data.run, name),
    readyMark: '"ready":true',
  }
}

async function startAgent(supervision: Supervision, session: Session): Promise<void> {
  const { settings, env } = supervision
  const { data } = settings
  // QEMU runs as a user of its own, who must reach its disks.
  const agentData = join(await openPassage(data.path), 'agent')
  const joined = existsSync(join(data.agent, 'agent.json'))
  const physical = `${physicalNetwork}=${publicGateway}/${publicPrefix}`
  start(supervision, {
    name: 'agent',
    args: [agentMain, '--data', agentData, '--server', session.base, '--physical', physical],
    // Not a flag: every user of the machine can read those.
    env: joined ? env : { ...env, PILEUS_AGENT_JOIN: await joinToken(session) },
    log: join(data.log, 'agent.log'),
    pidFile: pidFile(data.run, 'agent'),
    readyMark: null,
  })
}

async function joinToken(session: Session): Promise<string> {
  const { token } = await request<{ token: string }>(session, 'POST', `${session.base}/agent/v1/join-tokens`, {})
  return token
}

interface Hypervisor {
  hypervisor_hostname: string
  state: string
}

const joinWithinMs = 60_000

async function untilHostUp(session: Session, { signal, settings, seconds, say }: Supervision): Promise<void> {
  const url = `${session.endpoint('compute')}/os-hypervisors`
  const until = performance.now() + joinWithinMs
  for (;;) {
    signal.throwIfAborted()
    const { hypervisors } = await request<{ hypervisors: Hypervisor[] }>(session, 'GET', url)
    const up = hypervisors.find(({ state }) => state === 'up')
    if (up) return say(`Host ${up.hypervisor_hostname} has joined (${seconds()}).`)
    if (performance.now() > until)
      stop(
        `The agent of ${hostname()} has not joined within ${joinWithinMs / 1000} s; see ${settings.data.shown}/log/agent.log.`,
      )
    await delay(100)
  }
}

/** Null: there will be no image from us; a build that fails is said, and tried again at the next `up`. */
function guestImage({ settings, env, say, signal }: Supervision): Promise<GuestImage | null> {
  if (isSeeded(settings.data.seeded, 'image')) return Promise.resolve(null)
  if (settings.simHosts > 0) return Promise.resolve(blankImage())
  if (!settings.agent) return Promise.resolve(null)
  return buildGuestImage(settings.data, env, say, signal).catch((error: unknown) => {
    const sentence = sentenceOf(error)
    if (sentence === undefined || signal.aborted) throw error
    say(`There is no guest image 'tiny' for now: ${sentence}`)
    return null
  })
}
