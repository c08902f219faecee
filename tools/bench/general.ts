// The whole: start, memory, the usual operations, many servers at once, beside an OpenStack.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { password, startCloud } from './cloud.ts'
import { failures, figure, readRuns } from './osbench.ts'
import type { Note } from './page.ts'
import { cpuMs, pssMb } from './processes.ts'
import { burst, firstGuest } from './servers.ts'
import { takeOver } from './take-over.ts'

type Measured = (what: string, unit: string, ours: number | undefined, target?: number, openstack?: number) => void

interface General {
  /** The program that puts the load on. */
  osbench: string
  /** Its results against an OpenStack. */
  peers: unknown[]
  /** For each operation that is measured. */
  seconds: string
  /** Whether a real cloud can be had here. */
  hasHost: boolean
}

export async function measureGeneral(note: Note, general: General): Promise<void> {
  const measured: Measured = (what, unit, ours, target, openstack) => note({ what, unit, ours, target, openstack })
  if (general.hasHost) await measureHost(measured, general)
  await measureSimulated(measured, general)
}

async function measureHost(measured: Measured, { peers }: General): Promise<void> {
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

async function measureSimulated(measured: Measured, { osbench, peers, seconds }: General): Promise<void> {
  const cloud = await startCloud(['--sim', '100'], false)
  const folder = mkdtempSync(join(tmpdir(), 'pileus-bench-out-'))
  try {
    const out = join(folder, 'out.json')
    const login = ['--url', `${cloud.url}/identity/v3`, '--user', 'admin', '--password', password, '--project', 'admin']
    const what = ['--only', 'token,network,server', '--sizes', '10,500', '--seconds', seconds]
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
