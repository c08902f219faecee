// What a simulated guest has to say for itself.
import type { MachineDiagnostics } from '@pileus/contract/agent.ts'
import type { SimMachine } from './model.ts'

/** A boot log that says, in its first line, that nothing booted. */
export function bootLog(machine: SimMachine): string {
  const { hostname, vcpus, memoryMb, disks, nics } = machine.about
  const lines = [
    'This machine is simulated by Pileus: no guest runs, and this text stands for its boot messages.',
    `Linux version 6.1.0-sim (simulated@${machine.host}) #1 SMP`,
    'Command line: console=ttyS0',
    'BIOS-provided physical RAM map:',
    `Memory: ${memoryMb * 1024}K/${memoryMb * 1024}K available`,
    `smpboot: Allowing ${vcpus} CPUs, 0 hotplug CPUs`,
    'Booting paravirtualized kernel on simulated hardware',
    'clocksource: tsc: simulated',
    'Console: colour dummy device 80x25',
    'printk: console [ttyS0] enabled',
    ...Array.from({ length: Math.min(vcpus, 16) }, (_, i) => `smp: CPU${i} is up`),
    'PCI: Probing PCI hardware',
    ...Array.from({ length: disks }, (_, i) => `virtio_blk virtio${i}: [vd${String.fromCodePoint(97 + i)}] attached`),
    ...nics.map(({ mac }, i) => `virtio_net virtio${disks + i}: eth${i}: ${mac}`),
    'EXT4-fs (vda1): mounted filesystem with ordered data mode',
    'Run /sbin/init as init process',
    'Starting udev',
    'Starting network interfaces',
    ...nics.map((_, i) => `eth${i}: link becomes ready`),
    'Starting cloud-init: fetching metadata',
    'Generating SSH host keys',
    'Starting OpenSSH server',
    'Starting serial console on ttyS0',
    `Set hostname to <${hostname}>`,
    'Reached target Multi-User System',
  ]
  const stamped = lines.map((line, i) => `[${(i * 0.037).toFixed(6).padStart(12)}] ${line}`)
  return [...stamped, '', `${hostname} login: `].join('\n')
}

/** The last `count` lines; null: all. */
export function lastLines(text: string, count: number | null): string {
  if (count === null) return text
  return count === 0 ? '' : text.split('\n').slice(-count).join('\n')
}

/** Counters that grow with the time since the start, and stand for no work at all. */
export function diagnosticsOf(machine: SimMachine): MachineDiagnostics {
  const uptimeSeconds = Math.max(0, Math.floor((Date.now() - machine.startedAt.getTime()) / 1000))
  const { vcpus, memoryMb, disks, nics } = machine.about
  return {
    uptimeSeconds,
    cpuTimesNs: Array.from({ length: vcpus }, () => uptimeSeconds * 1_000_000),
    memoryMaximumMb: memoryMb,
    memoryUsedMb: Math.ceil(memoryMb / 8),
    disks: Array.from({ length: disks }, () => ({
      readBytes: 0,
      readRequests: 0,
      writeBytes: 0,
      writeRequests: 0,
      errors: 0,
    })),
    nics: nics.map(({ mac }) => ({
      mac,
      rxBytes: 0,
      rxPackets: 0,
      rxDrop: 0,
      rxErrors: 0,
      txBytes: 0,
      txPackets: 0,
      txDrop: 0,
      txErrors: 0,
    })),
  }
}
