// One program: `serve` answers and works, `prepare` readies a database, `database` runs the embedded one.
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { type Config, readConfig } from '#lib/config.ts'
import { openDatabase } from '#lib/db.ts'
import { makeLog } from '#lib/log.ts'

// What a command alone needs it imports itself: the database is to start without the whole cloud being loaded.

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    database: { type: 'string' },
    listen: { type: 'string' },
    's3-listen': { type: 'string' },
    sim: { type: 'string' },
    role: { type: 'string' },
    'log-level': { type: 'string' },
  },
})

function config(): Config {
  const { sim, 'log-level': logLevel, 's3-listen': s3Listen, ...same } = flags
  const read = readConfig(process.env, {
    ...same,
    ...(sim && { simHosts: sim }),
    ...(logLevel && { logLevel }),
    ...(s3Listen && { s3Listen }),
  })
  return read
}

async function serve(): Promise<void> {
  const [{ makeApp }, { startWorker }] = await Promise.all([import('./app.ts'), import('#lib/worker.ts')])
  const settings = config()
  const log = makeLog('server', settings.logLevel)
  const db = openDatabase(databaseUrl(settings), log, { connections: settings.databaseConnections })
  const app = makeApp(db, settings, log)
  await app.start()
  const worker = settings.role === 'api' ? undefined : await startWorker(app.world, { slots: settings.taskSlots })
  if (settings.role !== 'worker') {
    await app.server.listen(where(settings.listen))
    if (settings.s3Listen !== '') {
      app.s3.listen(where(settings.s3Listen))
      await once(app.s3, 'listening')
    }
  }
  process.stdout.write(`${JSON.stringify({ ready: true, listen: settings.listen, pid: process.pid })}\n`)

  let going = false
  const stop = async () => {
    if (going) return
    going = true
    log.info('going down')
    await worker?.stop()
    await app.close()
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop())
  process.on('SIGINT', () => void stop())
}

// reusePort: as many processes as there are cores share the address, and the kernel deals out connections
function where(address: string): { host: string; port: number; reusePort: true; backlog: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  return { host, port: Number(address.slice(colon + 1)), reusePort: true, backlog: 1024 }
}

async function prepare(): Promise<void> {
  const [{ makeApp }, { migrate }] = await Promise.all([import('./app.ts'), import('#lib/migrate.ts')])
  const settings = config()
  const log = makeLog('prepare', 'warn')
  await migrate(databaseUrl(settings))
  const db = openDatabase(databaseUrl(settings), log, { connections: 2 })
  const app = makeApp(db, settings, log)
  await app.prepare()
  await app.close()
}

async function database(): Promise<void> {
  const { startCluster, stopCluster } = await import('#lib/postgres.ts')
  const dir = `${config().data}/postgres`
  if (positionals[1] === 'start') process.stdout.write(`${JSON.stringify(await startCluster(dir))}\n`)
  else if (positionals[1] === 'stop') await stopCluster(dir)
  else throw new Error('say: database start, or database stop')
}

function databaseUrl(settings: Config): string {
  if (settings.database) return settings.database
  throw new Error('There is no database: set PILEUS_DATABASE, or use --database URL.')
}

const commands: Record<string, () => Promise<void>> = { serve, prepare, database }
const command = commands[positionals[0] ?? '']
try {
  if (!command) throw new Error(`say one of: ${Object.keys(commands).join(', ')}`)
  await command()
  if (command !== serve) process.exit(0)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message.split('\n')[0] : String(error)}\n`)
  process.exit(1)
}
