// What a host is told to run, computed from rows and nothing else: the same rows always give the same wish.
import type { MachineSpec } from '@pileus/contract/agent.ts'
import type { Server } from './model.ts'

export interface MachineNic {
  portId: string
  mac: string
  mtu: number
}

/** How long a guest may take to shut down before its power is cut. */
const shutdownSeconds = 60

/** `networkData` is OpenStack's network_data.json for the server's ports. */
export function machineSpec(
  server: Server,
  nics: readonly MachineNic[],
  networkData: unknown,
  securityGroups: readonly string[],
): MachineSpec {
  const { flavor, image } = server
  const disk = (role: 'root' | 'ephemeral' | 'swap', sizeMb: number) => ({
    id: `${server.id}-${role}`,
    role,
    sizeMb,
    image: role === 'root' ? image.source : null,
    serial: server.diskSerial,
  })
  return {
    id: server.id,
    vcpus: flavor.vcpus,
    memoryMb: flavor.ramMb,
    firmware: image.properties['hw_firmware_type'] === 'uefi' ? 'uefi' : 'bios',
    power: server.power,
    shutdownSeconds: server.state === 'deleting' ? 0 : shutdownSeconds,
    restart: { serial: server.restartSerial, hard: server.restartHard },
    disks: [
      disk('root', flavor.diskGb * 1024),
      ...(flavor.ephemeralGb > 0 ? [disk('ephemeral', flavor.ephemeralGb * 1024)] : []),
      ...(flavor.swapMb > 0 ? [disk('swap', flavor.swapMb)] : []),
    ],
    kernel: image.kernel,
    ramdisk: image.ramdisk,
    kernelArgs: image.properties['os_command_line'] ?? '',
    nics: nics.map(({ portId, mac, mtu }) => ({ portId, mac, mtu })),
    configDrive: server.configDrive,
    metadata: {
      instanceId: ec2Id(server),
      hostname: server.hostname,
      name: server.name,
      projectId: server.projectId,
      availabilityZone: server.availabilityZone ?? '',
      flavor: flavor.name,
      launchIndex: server.launchIndex,
      reservationId: server.reservationId,
      keys: server.key ? [server.key] : [],
      meta: server.metadata,
      userData: server.userData,
      adminPassword: server.adminPassword,
      networkData,
      securityGroups: [...securityGroups],
      files: server.files,
    },
  }
}

/** 'i-0000002a': what EC2's metadata calls a machine. */
export function ec2Id(server: Pick<Server, 'n'>): string {
  return `i-${server.n.toString(16).padStart(8, '0')}`
}
