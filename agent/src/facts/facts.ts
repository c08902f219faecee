// What this host is and can do, probed once at the agent's start; and what it feels like from minute to minute.
import { readFile, statfs } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import type { HostFacts } from '@pileus/contract/agent.ts'
import type { Config } from '../config.ts'
import { chooseAccelerator } from './kvm.ts'
import { findQemu, findUefi, type Qemu } from './qemu.ts'
import { traitsOf } from './traits.ts'

export interface Probe {
  facts: HostFacts
  qemu: Qemu
  uefi: Awaited<ReturnType<typeof findUefi>>
  /** Why that accelerator. */
  why: string
}

export async function probeHost(config: Config, agentVersion: string, network: string[]): Promise<Probe> {
  const [qemu, uefi, cpu, memoryMb, disk] = await Promise.all([
    findQemu(),
    findUefi(),
    readCpu(),
    readMemoryMb('MemTotal'),
    statfs(config.dataDir),
  ])
  const { accelerator, why } = await chooseAccelerator(config.accelerator, qemu.program, cpu.flags)
  const facts: HostFacts = {
    name: config.name,
    vcpus: config.vcpus ?? availableParallelism(),
    memoryMb: config.memoryMb ?? memoryMb,
    diskGb: config.diskGb ?? Math.floor((disk.blocks * disk.bsize) / 1024 ** 3),
    architecture: 'x86_64',
    cpuModel: cpu.model,
    hypervisor: accelerator,
    hypervisorVersion: qemu.version,
    tunnelAddress: config.tunnelAddress,
    physicalNetworks: Object.keys(config.physical),
    traits: traitsOf({ accelerator, cpuFlags: cpu.flags, hasUefi: uefi !== null, network }),
    agentVersion,
  }
  return { facts, qemu, uefi, why }
}

/** For the heartbeat. */
export async function readPulse(dataDir: string): Promise<{ load: number; freeMemoryMb: number; freeDiskGb: number }> {
  const [freeMemoryMb, disk] = await Promise.all([readMemoryMb('MemAvailable'), statfs(dataDir)])
  return { load: loadavg()[0] ?? 0, freeMemoryMb, freeDiskGb: Math.floor((disk.bavail * disk.bsize) / 1024 ** 3) }
}

async function readMemoryMb(field: 'MemTotal' | 'MemAvailable'): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8')
  return Math.floor(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024)
}

async function readCpu(): Promise<{ model: string; flags: Set<string> }> {
  const text = await readFile('/proc/cpuinfo', 'utf8')
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1] ?? ''
  return { model: field('model name'), flags: new Set(field('flags').split(' ')) }
}
