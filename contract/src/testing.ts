// For the tests of both sides.
import type { MachineSpec } from './agent.ts'

/** A small machine without ports; `changes` says what is different. */
export function exampleMachine(changes: Partial<MachineSpec> = {}): MachineSpec {
  return {
    id: 'machine-1',
    vcpus: 1,
    memoryMb: 128,
    firmware: 'bios',
    power: 'running',
    shutdownSeconds: 60,
    restart: { serial: 0, hard: false },
    disks: [{ id: 'root', role: 'root', sizeMb: 100, image: null, serial: 0 }],
    kernel: null,
    ramdisk: null,
    kernelArgs: '',
    nics: [],
    configDrive: false,
    metadata: {
      instanceId: 'i-00000001',
      hostname: 'web',
      name: 'web',
      projectId: 'p1',
      availabilityZone: 'nova',
      flavor: 'tiny',
      launchIndex: 0,
      reservationId: 'r-1',
      keys: [],
      meta: {},
      userData: null,
      adminPassword: null,
      networkData: {},
      securityGroups: [],
      files: [],
    },
    ...changes,
  }
}
