// Counters of a running machine.
import { readFile } from 'node:fs/promises'
import type { MachineDiagnostics } from '@pileus/contract/agent.ts'
import { Type } from 'typebox'
import Value from 'typebox/value'
import { run } from '../run.ts'
import { machineFolder } from './folder.ts'
import type { Host } from './host.ts'
import { type Launched, readLaunched } from './launched.ts'
import { findProcess } from './process.ts'
import type { Qmp } from './qmp.ts'

const Cpus = Type.Array(Type.Object({ 'thread-id': Type.Integer() }))
const Balloon = Type.Object({ actual: Type.Integer() })
const Memory = Type.Object({ 'base-memory': Type.Integer() })
const BlockStats = Type.Array(
  Type.Object({
    'node-name': Type.Optional(Type.String()),
    qdev: Type.Optional(Type.String()),
    stats: Type.Object({
      rd_bytes: Type.Integer(),
      rd_operations: Type.Integer(),
      wr_bytes: Type.Integer(),
      wr_operations: Type.Integer(),
      failed_rd_operations: Type.Integer(),
      failed_wr_operations: Type.Integer(),
    }),
  }),
)
const Counters = Type.Object({
  bytes: Type.Integer(),
  packets: Type.Integer(),
  errors: Type.Integer(),
  dropped: Type.Integer(),
})
const Links = Type.Array(Type.Object({ stats64: Type.Object({ rx: Counters, tx: Counters }) }))

/** Reads the counters; undefined when the machine does not run. */
export async function readDiagnostics(
  host: Host,
  id: string,
  qmp: Qmp | undefined,
): Promise<MachineDiagnostics | undefined> {
  const folder = machineFolder(host.dataDir, id)
  const pid = await findProcess(folder, id)
  if (pid === undefined || qmp?.open !== true) return undefined
  const [cpus, balloon, memory, blocks, launched, uptimeSeconds] = await Promise.all([
    qmp.ask(Cpus, 'query-cpus-fast'),
    qmp.ask(Balloon, 'query-balloon'),
    qmp.ask(Memory, 'query-memory-size-summary'),
    qmp.ask(BlockStats, 'query-blockstats'),
    readLaunched(folder),
    readUptime(pid),
  ])
  return {
    uptimeSeconds,
    cpuTimesNs: await Promise.all(cpus.map((cpu) => readCpuTime(pid, cpu['thread-id']))),
    memoryMaximumMb: Math.round(memory['base-memory'] / 1024 ** 2),
    memoryUsedMb: Math.round(balloon.actual / 1024 ** 2),
    disks: blocks
      .filter(({ qdev }) => /(^|\/)vd\d+(\/|$)/.test(qdev ?? ''))
      .map(({ stats }) => ({
        readBytes: stats.rd_bytes,
        readRequests: stats.rd_operations,
        writeBytes: stats.wr_bytes,
        writeRequests: stats.wr_operations,
        errors: stats.failed_rd_operations + stats.failed_wr_operations,
      })),
    nics: await readNics(launched),
  }
}

/** proc(5): field 22 of stat is the start in clock ticks (100 a second on Linux) since boot. */
async function readUptime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const sinceBoot = Number.parseFloat(await readFile('/proc/uptime', 'utf8'))
  return Math.max(0, Math.round(sinceBoot - Number(fields[19]) / 100))
}

/** Time on a processor in ns: schedstat where the kernel keeps it, else the coarser stat. */
async function readCpuTime(pid: number, thread: number): Promise<number> {
  const task = `/proc/${pid}/task/${thread}`
  const exact = await readFile(`${task}/schedstat`, 'utf8').catch(() => undefined)
  if (exact !== undefined) return Number(exact.split(' ')[0])
  const stat = await readFile(`${task}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000_000
}

/** What the guest receives is what its tap sends. */
async function readNics(launched: Launched | undefined): Promise<MachineDiagnostics['nics']> {
  if (launched === undefined) return []
  const inNamespace = launched.namespace === null ? [] : ['-n', launched.namespace]
  return await Promise.all(
    launched.nics.map(async ({ mac, tap: name }) => {
      const { stdout } = await run('ip', [...inNamespace, '-s', '-j', 'link', 'show', 'dev', name])
      const [link] = Value.Parse(Links, JSON.parse(stdout))
      if (link === undefined) throw new Error(`There is no interface ${name}`)
      const { rx: sent, tx: received } = link.stats64
      return {
        mac,
        rxBytes: received.bytes,
        rxPackets: received.packets,
        rxDrop: received.dropped,
        rxErrors: received.errors,
        txBytes: sent.bytes,
        txPackets: sent.packets,
        txDrop: sent.dropped,
        txErrors: sent.errors,
      }
    }),
  )
}
