// OpenStack's own Swift, from Debian's packages, on a directory that goes with it: one device, one replica, tempauth. Only in
// a mount and a network namespace of one's own, for it is to see no other /etc/swift and takes the usual ports.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from './transfer.ts'

export interface OpenStackSwift {
  store: Store
  /** Of pid files. */
  run: string
  stop: () => Promise<void>
}

const kinds = { account: 6202, container: 6201, object: 6200 }
const authUrl = 'http://127.0.0.1:8080/auth/v1.0'
const programs = ['proxy', ...Object.keys(kinds)].map((kind) => `swift-${kind}-server`)

/** What of Debian's packages is not there; undefined when all is. */
export function missingSwift(): string | undefined {
  const wanted = [...programs, 'swift-ring-builder', 'memcached']
  return wanted.find((name) => !existsSync(join('/usr/bin', name)))
}

export async function startOpenStackSwift(workers: number): Promise<OpenStackSwift> {
  const folder = mkdtempSync(join(tmpdir(), 'openstack-swift-'))
  const [settings, devices, run] = ['etc', 'srv', 'run'].map((name) => join(folder, name)) as [string, string, string]
  for (const made of [settings, run, join(devices, 'd1')]) mkdirSync(made, { recursive: true })
  writeFileSync(
    join(settings, 'swift.conf'),
    '[swift-hash]\nswift_hash_path_suffix = bench\nswift_hash_path_prefix = bench\n',
  )
  for (const [kind, port] of Object.entries(kinds)) {
    writeFileSync(join(settings, `${kind}-server.conf`), serverSettings(kind, port, devices, workers))
    const builder = join(settings, `${kind}.builder`)
    for (const words of [['create', '8', '1', '0'], ['add', `r1z1-127.0.0.1:${port}/d1`, '1'], ['rebalance']])
      execFileSync('/usr/bin/swift-ring-builder', [builder, ...words], { stdio: 'ignore' })
  }
  writeFileSync(join(settings, 'proxy-server.conf'), proxySettings(workers))
  execFileSync('mount', ['--bind', settings, '/etc/swift'])

  const output = openSync(join(folder, 'log'), 'a')
  const children: ChildProcess[] = []
  const start = (name: string, args: string[]) => {
    const child = spawn(join('/usr/bin', name), args, { stdio: ['ignore', output, output] })
    writeFileSync(join(run, `${name}.pid`), String(child.pid))
    children.push(child)
  }
  const stop = async () => {
    for (const child of children) {
      const ended = child.exitCode === null && child.signalCode === null && once(child, 'exit')
      child.kill()
      await ended
    }
    execFileSync('umount', ['/etc/swift'])
    rmSync(folder, { recursive: true })
  }
  try {
    start('memcached', ['-u', 'root', '-l', '127.0.0.1'])
    for (const name of programs) start(name, [join('/etc/swift', `${name.replace('swift-', '')}.conf`)])
    return { store: await signIn(), run, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function signIn(): Promise<Store> {
  const until = Date.now() + 60_000
  for (;;) {
    const reply = await fetch(authUrl, { headers: { 'X-Auth-User': 'bench:bench', 'X-Auth-Key': 'bench' } }).catch(
      () => undefined,
    )
    const [url, token] = ['x-storage-url', 'x-auth-token'].map((name) => reply?.headers.get(name))
    if (reply?.ok && url && token) return { url, token }
    if (Date.now() > until) throw new Error(`Swift's proxy does not let us in: ${reply?.status ?? 'no answer'}`)
    await delay(100)
  }
}

const common = (port: number, workers: number) => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = root
workers = ${workers}
log_level = WARNING
`

function serverSettings(kind: string, port: number, devices: string, workers: number): string {
  return `${common(port, workers)}devices = ${devices}
mount_check = false

[pipeline:main]
pipeline = healthcheck recon ${kind}-server

[app:${kind}-server]
use = egg:swift#${kind}

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:recon]
use = egg:swift#recon
`
}

// the pipeline of the file that the package brings
const pipeline =
  'catch_errors gatekeeper healthcheck proxy-logging cache listing_formats container_sync bulk tempurl ratelimit tempauth copy container-quotas account-quotas slo dlo versioned_writes symlink'

function proxySettings(workers: number): string {
  const named: Record<string, string> = { cache: 'memcache', 'proxy-logging': 'proxy_logging' }
  const more: Record<string, string> = {
    cache: 'memcache_servers = 127.0.0.1:11211',
    tempauth: 'user_bench_bench = bench .admin',
    versioned_writes: 'allow_versioned_writes = true',
  }
  const filters = pipeline.split(' ').map((name) => {
    const use = named[name] ?? name.replaceAll('-', '_')
    return `[filter:${name}]\nuse = egg:swift#${use}\n${more[name] ?? ''}\n`
  })
  return `${common(8080, workers)}
[pipeline:main]
pipeline = ${pipeline} proxy-logging proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

${filters.join('\n')}`
}
