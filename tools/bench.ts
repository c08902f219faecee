// Measures Pileus and writes docs/benchmarks.md:
//   node tools/bench.ts --osbench PATH/osbench.py [--peer RESULT.json …] [--seconds 5]
//   node tools/bench.ts --only identity        that section alone; the rest of the page stays
// As root with PILEUS_GUEST_IMAGE set it also measures a real guest and idle memory with an agent, in a network namespace
// of its own. What is measured is CPU time of all our processes: on a shared machine wall time says little.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { password, startCloud } from './bench/cloud.ts'
import { measureIdentity } from './bench/identity.ts'
import { failures, figure, readRuns } from './bench/osbench.ts'
import { type Line, table } from './bench/page.ts'
import { cpuMs, pssMb } from './bench/processes.ts'
import { burst, firstGuest } from './bench/servers.ts'
import { takeOver } from './bench/take-over.ts'

const { values } = parseArgs({
  options: {
    osbench: { type: 'string' },
    peer: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
    to: { type: 'string', default: resolve(import.meta.dirname, '../docs/benchmarks.md') },
  },
})
const onlyIdentity = values.only === 'identity'
if (!onlyIdentity && (values.osbench === undefined || values.only !== undefined)) {
  process.stderr.write(
    'Usage: node tools/bench.ts --osbench PATH/osbench.py [--peer RESULT.json …] [--seconds 5]\n       node tools/bench.ts --only identity\n',
  )
  process.exit(2)
}
const isRoot = process.getuid?.() === 0
if (isRoot && process.env['PILEUS_BENCH_NAMESPACE'] === undefined) {
  const args = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', args, {
    stdio: 'inherit',
    env: { ...process.env, PILEUS_BENCH_NAMESPACE: '1' },
  })
  process.exit(status ?? 1)
}

let lines: Line[] = []
const peers = values.peer.flatMap(readRuns)
const note = (line: Line) => {
  lines.push(line)
  process.stdout.write(`${line.what}: ${line.ours?.toFixed(2) ?? '–'} ${line.unit} (target ${line.target ?? '–'})\n`)
}
const measured = (what: string, unit: string, ours: number | undefined, target?: number, openstack?: number) =>
  note({ what, unit, ours, target, openstack })
const loadBefore = loadavg()[0] ?? 0

const identityTitle = '## Identity of a large cloud'
let general: string
if (values.osbench === undefined) general = readFileSync(values.to, 'utf8').split(`\n${identityTitle}`)[0]!
else {
  if (isRoot && process.env['PILEUS_GUEST_IMAGE']) await measureHost()
  await measureSimulated(values.osbench)
  general = page()
}
lines = []
const cloud = await startCloud(['--sim', '3', '--processes', '1'], false)
try {
  await measureIdentity(cloud, note)
} finally {
  await cloud.stop()
}
writeFileSync(values.to, `${general.trimEnd()}\n\n${identitySection()}`)

async function measureHost(): Promise<void> {
  const cloud = await startCloud([], true)
  try {
    measured('`up` on an empty directory → first token', 's', cloud.tokenSeconds, 6)
    const idleFrom = cpuMs(cloud.run)
    await delay(20_000)
    const idleMs = cpuMs(cloud.run) - idleFrom
    const peer = figure(peers, 'memory_idle_core_only.pss_mib')
    const peerMb = peer === undefined ? undefined : (peer * 2 ** 20) / 1e6
    measured('memory when idle: servers, database, agent, supervisor (PSS)', 'MB', pssMb(cloud.run), 400, peerMb)
    const peerIdle = figure(peers, 'idle_cpu_percent_of_a_core_core_only')
    measured('processor when idle, of one core', '%', (idleMs / 20_000) * 100, undefined, peerIdle)
    const guestSeconds = await firstGuest(cloud)
    measured('`up` → first ACTIVE guest (QEMU without KVM)', 's', cloud.upSeconds + guestSeconds, 20)
    measured('`up` again on the same data → first token; the guest runs on', 's', await cloud.again())
  } finally {
    await cloud.stop()
  }
}

async function measureSimulated(osbench: string): Promise<void> {
  const cloud = await startCloud(['--sim', '100'], false)
  const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-out-'))
  try {
    const out = join(folder, 'out.json')
    const login = ['--url', `${cloud.url}/identity/v3`, '--user', 'admin', '--password', password, '--project', 'admin']
    const what = ['--only', 'token,network,server', '--sizes', '10,500', '--seconds', values.seconds]
    const child = spawn('python3', [resolve(osbench), ...login, ...what, '--pids', cloud.run, '--out', out], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await once(child, 'exit')
    const runs = readRuns(out)
    for (const failure of failures(runs)) process.stdout.write(`osbench failed: ${failure}\n`)
    const cpu = (name: string, target: number | undefined, ...paths: string[]) => {
      const full = paths.map((path) => `${path}.server_cpu_ms_per_op`)
      measured(name, 'ms', figure(runs, ...full), target, figure(peers, ...full))
    }
    cpu('token check', 0.3, 'token.validate')
    cpu('token issue (a password hashed)', undefined, 'token.issue')
    cpu('list 10 servers', 1, 'server.list_10.detail_c8')
    cpu('list 500 servers', 12, 'server.list_500.detail_c8')
    cpu('create a network', 6, 'network.network_create')
    cpu('create a subnet', undefined, 'network.subnet_create')
    cpu('create a port', 8, 'network.port_create')
    cpu('list 100 ports', undefined, 'network.port_list_100')
    cpu('create a server → ACTIVE, 50 of them', 25, 'server.create_50.to_active')
    cpu('delete a server → gone, 50 of them', undefined, 'server.delete_50.to_gone')
    const many = await burst(cloud, 500, 32)
    measured('500 servers at concurrency 32: CPU for each create → ACTIVE', 'ms', many.cpuMsEach, 25)
    measured('… all accepted', 's', many.acceptedSeconds)
    measured('… all ACTIVE', 's', many.activeSeconds, 30)
    measured('… failed', '', many.failed, 0)
    measured('… CPU for each delete → gone', 'ms', many.deleteCpuMsEach)
    measured('… all gone', 's', many.goneSeconds)
    const killed = await takeOver(cloud, 'SIGKILL')
    measured('a server process is killed at work → others have its tasks', 's', killed.seconds, 2)
    const frozen = await takeOver(cloud, 'SIGSTOP')
    measured('… is frozen (SIGSTOP; the lease is 15 s)', 's', frozen.seconds)
    measured('… servers that did not become ACTIVE meanwhile', '', killed.failed + frozen.failed, 0)
  } finally {
    rmSync(folder, { recursive: true })
    await cloud.stop()
  }
}

function page(): string {
  const [processor] = cpus()
  const model = (processor?.model ?? 'unknown').trim()
  return `# Benchmarks

Written by \`tools/bench.ts\`; change that, not this. ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${model}), ${Math.round(totalmem() / 1e9)} GB, load average ${loadBefore.toFixed(1)} before the run.

\`\`\`
PILEUS_GUEST_IMAGE=… node tools/bench.ts --osbench osbench.py --peer peer-openstack.json …
\`\`\`

Milliseconds are CPU time of all our processes for each operation, database included: on a shared machine wall time says
little. Seconds are wall time. The OpenStack beside it is Zed from Debian 12's packages, two workers for each API, without a
data plane, measured by the same program (osbench) on a machine of the same size. Lists and creations are those of osbench
with eight clients, on \`./pileus up --sim 100\`; memory, start and first guest are those of a real \`./pileus up\`.

${table(lines)}
`
}

function identitySection(): string {
  return `${identityTitle}

50,000 projects in 50 domains, 25,000 of them in one, 100,000 users, 5,000 groups, 500,000 role assignments
(\`tools/bench/identity-load.ts\`); one server process on its embedded database. \`node tools/bench.ts --only identity\`
writes this section alone: ${new Date().toISOString().slice(0, 10)}, load average ${loadBefore.toFixed(1)} before the run.

${table(lines)}
`
}
