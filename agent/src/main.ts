// The agent's entry: settings, log, pid file, signals.
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { networkOptions, startAgent } from './agent.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { JoinError } from './connection/join.ts'
import { writeWhole } from './files.ts'
import { holdLock, planeLock, Taken } from './lock.ts'
import { openLog } from './log.ts'
import { endAllMachines } from './machine/machines.ts'
import { networkPlane } from './network/index.ts'
import { findQemuUser } from './unprivileged.ts'

const config = settings()
const log = openLog(config.logLevel)

try {
  await mkdir(config.dataDir, { recursive: true, mode: 0o711 })
  await claim(config)
  if (config.teardown) await teardown()
  else await serve()
} catch (error) {
  if (error instanceof JoinError || error instanceof Taken) log.fatal(error.message)
  else log.fatal({ err: error }, 'the agent cannot start')
  process.exitCode = 1
  process.exit()
}

async function serve(): Promise<void> {
  const stop = await startAgent(config, await ownVersion(), log)
  let stopping = false
  const end = (signal: NodeJS.Signals) => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping; guests and network stay as they are')
    // A host that does not answer must not keep the agent from ending.
    setTimeout(() => process.exit(1), 20_000).unref()
    void stop()
      .then(() => rm(join(config.dataDir, 'agent.pid'), { force: true }))
      .then(() => process.exit(0))
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
}

async function teardown(): Promise<void> {
  await endAllMachines({ dataDir: config.dataDir, log })
  const user = await findQemuUser(config.qemuUser)
  await networkPlane(networkOptions(config, user, log)).teardown()
  await rm(join(config.dataDir, 'agent.pid'), { force: true })
  log.info('guests and data plane are gone')
}

function settings(): Config {
  try {
    const read = readConfig(process.argv.slice(2), process.env)
    delete process.env.PILEUS_AGENT_JOIN // a secret: no child inherits it
    return read
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(2)
  }
}

/** One agent a data directory and one a data plane: two would pull at the same guests, or delete each other's links. */
async function claim({ dataDir, namespace }: Config): Promise<void> {
  await holdLock(join(dataDir, 'agent.lock'), `Another agent works on ${dataDir} already.`)
  // Without root there is neither a data plane nor the right to say whose it is.
  if (process.getuid?.() === 0) {
    const sentence = `Another agent works on the data plane ${namespace} already; a second one needs another --namespace.`
    await holdLock(planeLock(namespace), sentence)
  }
  // It is there for people only: a full disk does not keep the agent from its guests.
  await writeWhole(join(dataDir, 'agent.pid'), `${process.pid}\n`, 0o644).catch((error: unknown) =>
    log.warn({ err: error }, 'agent.pid could not be written'),
  )
}

async function ownVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
}
