// The QEMU command line of a machine, from what is wished and what was prepared for it. Pure.
//
// Every device has an id, a bus and an address of its own, so that a device that comes or goes never moves another: a
// saved guest is only restored onto the very same board, and guests name their devices by place.
//
//   pcie.0  01 VGA   02 USB   03 random numbers   04 balloon
//           08-0b    root ports of NICs, eight to a slot
//           10-13    root ports of disks
//           14.0     root port of the config drive
import type { MachineSpec } from '@pileus/contract/agent.ts'
import type { DiskState } from './folder.ts'
import { nameArgument } from './process.ts'

export interface Launch {
  spec: MachineSpec
  accelerator: 'kvm' | 'tcg'
  machineType: string
  /** In the order of `spec.disks`; `cached` is the folder of cached images, seen from the machine's folder. */
  disks: DiskState[]
  cached: string
  nics: Nic[]
  configDrive: boolean
  /** The firmware's code; its variables are the machine's own. null: BIOS. */
  uefiCode: string | null
  kernel: string | null
  ramdisk: string | null
}

/** A port's interface and the root port that its device sits in. */
export interface Nic {
  portId: string
  mac: string
  mtu: number
  tap: string
  slot: number
}

const sparePorts = 4
export const mostNics = 32
export const mostDisks = 32

/**
 * The arguments of qemu-system-x86_64, run in the machine's folder: all paths start there, since QEMU's user may not be
 * allowed to walk to it from the root.
 */
export function commandLine(launch: Launch): string[] {
  const { spec, accelerator, machineType } = launch
  return [
    ...['-name', nameArgument(spec.id)],
    ...(isUuid(spec.id) ? ['-uuid', spec.id] : []),
    ...[
      '-machine',
      `${machineType},usb=off,vmport=off${launch.uefiCode === null ? '' : ',pflash0=uefi-code,pflash1=uefi-vars'}`,
    ],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${codeCacheMb(spec.memoryMb)}`],
    ...['-cpu', accelerator === 'kvm' ? 'host,migratable=on' : tcgCpu],
    ...['-smp', `cpus=${spec.vcpus},sockets=${spec.vcpus},cores=1,threads=1`],
    ...['-m', `size=${spec.memoryMb}M`],
    '-nodefaults',
    '-no-user-config',
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-display', 'none'],
    ...['-rtc', 'base=utc'],
    // A guest that powers itself off leaves QEMU waiting, so that "it shut down" is never mistaken for "it crashed".
    ...['-action', 'shutdown=pause'],
    ...['-boot', 'menu=off,strict=on'],
    ...['-smbios', `type=1,manufacturer=Pileus,product=OpenStack Compute,serial=${spec.id},family=Virtual Machine`],
    ...['-chardev', 'socket,id=qmp,path=run/qmp.sock,server=on,wait=off', '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', 'socket,id=operator,path=run/qmp-operator.sock,server=on,wait=off'],
    ...['-mon', 'chardev=operator,mode=control'],
    ...['-chardev', 'socket,id=serial0,path=run/serial.sock,server=on,wait=off,logfile=run/console.log,logappend=on'],
    ...['-device', 'isa-serial,id=com0,chardev=serial0'],
    ...['-vnc', 'unix:run/vnc.sock'],
    ...['-device', 'VGA,id=vga0,bus=pcie.0,addr=0x1,vgamem_mb=16'],
    ...['-device', 'qemu-xhci,id=usb0,bus=pcie.0,addr=0x2', '-device', 'usb-tablet,id=tablet0,bus=usb0.0,port=1'],
    ...['-object', 'rng-random,id=random0,filename=/dev/urandom'],
    ...['-device', 'virtio-rng-pci,id=rng0,rng=random0,bus=pcie.0,addr=0x3'],
    ...['-device', 'virtio-balloon-pci,id=balloon0,bus=pcie.0,addr=0x4'],
    ...rootPorts('nic', nicPorts(launch.nics)),
    ...rootPorts('disk', spec.disks.length + sparePorts),
    ...launch.disks.flatMap((disk, i) => diskArguments(launch, disk, i)),
    ...launch.nics.flatMap(nicArguments),
    ...(launch.configDrive ? configDriveArguments : []),
    ...(launch.uefiCode === null ? [] : uefiArguments(launch.uefiCode)),
    ...kernelArguments(launch),
  ]
}

// What x86-64-v2 asks for, as most distributions of today do; "max" would cost a tenth of TCG's speed.
const tcgCpu = 'qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+lahf_lm,+rdrand'

/** QEMU's own choice, a quarter of its memory, costs a small guest more than the guest's memory is. */
function codeCacheMb(memoryMb: number): number {
  return memoryMb <= 1024 ? 32 : memoryMb <= 4096 ? 64 : 128
}

const portsOfKind = 32

/** How many root ports there are for NICs, those for later ones among them. */
export function nicPorts(nics: Nic[]): number {
  return Math.min(nics.length + sparePorts, portsOfKind)
}

const place = { nic: { slot: 0x08, chassis: 1 }, disk: { slot: 0x10, chassis: 64 } }

function rootPorts(kind: 'nic' | 'disk', count: number): string[] {
  const { slot, chassis } = place[kind]
  // An I/O window for each would use up the board's 64 KiB, and no virtio device behind a port needs one.
  return Array.from({ length: Math.min(count, portsOfKind) }, (_, i) => [
    '-device',
    `pcie-root-port,id=${kind}port${i},bus=pcie.0,addr=0x${(slot + (i >> 3)).toString(16)}.${i & 7},` +
      `${(i & 7) === 0 ? 'multifunction=on,' : ''}chassis=${chassis + i},io-reserve=0`,
  ]).flat()
}

function diskArguments({ cached, spec }: Launch, disk: DiskState, i: number): string[] {
  const backing =
    disk.backing === null
      ? {}
      : {
          backing: {
            driver: disk.backing.format,
            'read-only': true,
            file: { driver: 'file', filename: `${cached}/${disk.backing.file}`, 'read-only': true },
          },
        }
  const node = {
    driver: disk.format,
    'node-name': `disk${i}`,
    discard: 'unmap',
    file: { driver: 'file', filename: disk.file, discard: 'unmap' },
    ...backing,
  }
  const serial = (spec.disks[i]?.id ?? '').slice(0, 20) // virtio-blk has room for 20 bytes
  return [
    ...['-blockdev', JSON.stringify(node)],
    ...[
      '-device',
      `virtio-blk-pci,id=vd${i},drive=disk${i},bus=diskport${i},addr=0x0,serial=${serial},bootindex=${i + 1}`,
    ],
  ]
}

/** The two halves of a NIC, as `netdev_add` and `device_add` want them. */
export function nicDevices({ mac, mtu, tap, slot }: Nic) {
  return {
    netdev: { type: 'tap', id: `net${slot}`, ifname: tap, script: 'no', downscript: 'no' },
    device: {
      driver: 'virtio-net-pci',
      id: `nic${slot}`,
      netdev: `net${slot}`,
      bus: `nicport${slot}`,
      addr: '0x0',
      mac,
      host_mtu: mtu,
      romfile: '',
    },
  }
}

/** A NIC's part of the command line. */
export function nicArguments(nic: Nic): string[] {
  const { netdev, device } = nicDevices(nic)
  return ['-netdev', inWords(netdev, 'type'), '-device', inWords(device, 'driver')]
}

/** QEMU's older way to write an object, which every QEMU since 5 reads: `first,key=value,…`. */
function inWords(object: Record<string, string | number>, first: string): string {
  const rest = Object.entries(object).filter(([key]) => key !== first)
  return [`${object[first]}`, ...rest.map(([key, value]) => `${key}=${value}`)].join(',')
}

const configDriveArguments = [
  ...['-device', 'pcie-root-port,id=configport,bus=pcie.0,addr=0x14.0,chassis=128,io-reserve=0'],
  '-blockdev',
  JSON.stringify({
    driver: 'raw',
    'node-name': 'config',
    'read-only': true,
    file: { driver: 'file', filename: 'disks/config.iso', 'read-only': true },
  }),
  ...['-device', 'virtio-blk-pci,id=vdconfig,drive=config,bus=configport,addr=0x0,serial=config-2'],
]

function uefiArguments(code: string): string[] {
  const file = (name: string, filename: string, readOnly: boolean) =>
    JSON.stringify({ driver: 'raw', 'node-name': name, 'read-only': readOnly, file: { driver: 'file', filename } })
  return ['-blockdev', file('uefi-code', code, true), '-blockdev', file('uefi-vars', 'disks/uefi-vars.fd', false)]
}

function kernelArguments({ spec, kernel, ramdisk }: Launch): string[] {
  if (kernel === null) return []
  const args = spec.kernelArgs === '' ? 'root=/dev/vda console=tty0 console=ttyS0' : spec.kernelArgs
  return ['-kernel', kernel, ...(ramdisk === null ? [] : ['-initrd', ramdisk]), '-append', args]
}

function isUuid(id: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)
}
