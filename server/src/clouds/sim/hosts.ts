// The simulated hosts: as many as the configuration says, always the same ones.
import type { HostFacts } from '@pileus/contract/agent.ts'

/** sim-0001, sim-0002, …; `n` counts from 1. */
export function hostName(n: number): string {
  return `sim-${String(n).padStart(4, '0')}`
}

export function hostNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => hostName(i + 1))
}

export const simPhysicalNetworks: readonly string[] = ['public']

/** What each host says of itself: 64 vCPU, 256 GB, 4 TB. */
export function factsOf(n: number): HostFacts {
  return {
    name: hostName(n),
    vcpus: 64,
    memoryMb: 256 * 1024,
    diskGb: 4096,
    architecture: 'x86_64',
    cpuModel: 'simulated',
    hypervisor: 'kvm',
    hypervisorVersion: 7_002_022,
    tunnelAddress: `100.64.${(n >> 8) & 255}.${n & 255}`,
    physicalNetworks: [...simPhysicalNetworks],
    traits: [
      'COMPUTE_IMAGE_TYPE_QCOW2',
      'COMPUTE_IMAGE_TYPE_RAW',
      'COMPUTE_NODE',
      'CUSTOM_SIMULATED',
      'HW_ARCH_X86_64',
      'HW_CPU_X86_AVX',
      'HW_CPU_X86_AVX2',
      'HW_CPU_X86_SSE42',
    ],
    agentVersion: 'simulated',
  }
}
