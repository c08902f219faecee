import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exampleMachine } from '@pileus/contract/testing.ts'
import { commandLine, type Launch } from './command-line.ts'

const id = '5f0c9f0e-8a44-4c52-9a1b-6a1e6a7b3c01'
const disk = (name: string) => ({ id: name, role: 'root' as const, sizeMb: 100, image: null, serial: 0 })
const spec = exampleMachine({
  id,
  vcpus: 2,
  memoryMb: 256,
  disks: [disk('0f9b4c9e-2b1f-4a33-9a32-3f1b7a7e0001'), disk('swap')],
})
const launch: Launch = {
  spec,
  accelerator: 'tcg',
  machineType: 'pc-q35-7.2',
  disks: [
    { serial: 0, file: 'disks/a.qcow2', format: 'qcow2', backing: { file: 'img.raw', format: 'raw' } },
    { serial: 0, file: 'disks/swap.raw', format: 'raw', backing: null },
  ],
  cached: '../../images',
  nics: [{ portId: 'p1', mac: 'fa:16:3e:00:00:01', mtu: 1450, tap: 'tap1', slot: 0 }],
  configDrive: false,
  uefiCode: null,
  kernel: null,
  ramdisk: null,
}
const values = (args: string[], flag: string) => args.filter((_, i) => args[i - 1] === flag)
const device = (args: string[], name: string) => values(args, '-device').find((each) => each.includes(`id=${name},`))

test('the whole line', () => {
  assert.deepEqual(commandLine(launch).join('\n').split('\n-'), [
    `-name\nguest=${id},debug-threads=on`,
    `uuid\n${id}`,
    'machine\npc-q35-7.2,usb=off,vmport=off',
    'accel\ntcg,thread=multi,tb-size=32',
    'cpu\nqemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+lahf_lm,+rdrand',
    'smp\ncpus=2,sockets=2,cores=1,threads=1',
    'm\nsize=256M',
    'nodefaults',
    'no-user-config',
    'sandbox\non,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    'display\nnone',
    'rtc\nbase=utc',
    'action\nshutdown=pause',
    'boot\nmenu=off,strict=on',
    `smbios\ntype=1,manufacturer=Pileus,product=OpenStack Compute,serial=${id},family=Virtual Machine`,
    'chardev\nsocket,id=qmp,path=run/qmp.sock,server=on,wait=off',
    'mon\nchardev=qmp,mode=control',
    'chardev\nsocket,id=operator,path=run/qmp-operator.sock,server=on,wait=off',
    'mon\nchardev=operator,mode=control',
    'chardev\nsocket,id=serial0,path=run/serial.sock,server=on,wait=off,logfile=run/console.log,logappend=on',
    'device\nisa-serial,id=com0,chardev=serial0',
    'vnc\nunix:run/vnc.sock',
    'device\nVGA,id=vga0,bus=pcie.0,addr=0x1,vgamem_mb=16',
    'device\nqemu-xhci,id=usb0,bus=pcie.0,addr=0x2',
    'device\nusb-tablet,id=tablet0,bus=usb0.0,port=1',
    'object\nrng-random,id=random0,filename=/dev/urandom',
    'device\nvirtio-rng-pci,id=rng0,rng=random0,bus=pcie.0,addr=0x3',
    'device\nvirtio-balloon-pci,id=balloon0,bus=pcie.0,addr=0x4',
    'device\npcie-root-port,id=nicport0,bus=pcie.0,addr=0x8.0,multifunction=on,chassis=1,io-reserve=0',
    'device\npcie-root-port,id=nicport1,bus=pcie.0,addr=0x8.1,chassis=2,io-reserve=0',
    'device\npcie-root-port,id=nicport2,bus=pcie.0,addr=0x8.2,chassis=3,io-reserve=0',
    'device\npcie-root-port,id=nicport3,bus=pcie.0,addr=0x8.3,chassis=4,io-reserve=0',
    'device\npcie-root-port,id=nicport4,bus=pcie.0,addr=0x8.4,chassis=5,io-reserve=0',
    'device\npcie-root-port,id=diskport0,bus=pcie.0,addr=0x10.0,multifunction=on,chassis=64,io-reserve=0',
    'device\npcie-root-port,id=diskport1,bus=pcie.0,addr=0x10.1,chassis=65,io-reserve=0',
    'device\npcie-root-port,id=diskport2,bus=pcie.0,addr=0x10.2,chassis=66,io-reserve=0',
    'device\npcie-root-port,id=diskport3,bus=pcie.0,addr=0x10.3,chassis=67,io-reserve=0',
    'device\npcie-root-port,id=diskport4,bus=pcie.0,addr=0x10.4,chassis=68,io-reserve=0',
    'device\npcie-root-port,id=diskport5,bus=pcie.0,addr=0x10.5,chassis=69,io-reserve=0',
    'blockdev\n{"driver":"qcow2","node-name":"disk0","discard":"unmap","file":{"driver":"file","filename":"disks/a.qcow2","discard":"unmap"},"backing":{"driver":"raw","read-only":true,"file":{"driver":"file","filename":"../../images/img.raw","read-only":true}}}',
    'device\nvirtio-blk-pci,id=vd0,drive=disk0,bus=diskport0,addr=0x0,serial=0f9b4c9e-2b1f-4a33-9,bootindex=1',
    'blockdev\n{"driver":"raw","node-name":"disk1","discard":"unmap","file":{"driver":"file","filename":"disks/swap.raw","discard":"unmap"}}',
    'device\nvirtio-blk-pci,id=vd1,drive=disk1,bus=diskport1,addr=0x0,serial=swap,bootindex=2',
    'netdev\ntap,id=net0,ifname=tap1,script=no,downscript=no',
    'device\nvirtio-net-pci,id=nic0,netdev=net0,bus=nicport0,addr=0x0,mac=fa:16:3e:00:00:01,host_mtu=1450,romfile=',
  ])
})

test('a second NIC and a third disk move nothing', () => {
  const before = commandLine(launch)
  const nic = { portId: 'p2', mac: 'fa:16:3e:00:00:02', mtu: 1500, tap: 'tap2', slot: 1 }
  const more: Launch = {
    ...launch,
    spec: { ...spec, disks: [...spec.disks, disk('more')] },
    disks: [...launch.disks, { serial: 0, file: 'disks/more.raw', format: 'raw', backing: null }],
    nics: [...launch.nics, nic],
  }
  const after = commandLine(more)
  for (const name of ['vd0', 'vd1', 'nic0']) assert.equal(device(after, name), device(before, name))
  assert.match(device(after, 'nic1') ?? '', /bus=nicport1/)
  assert.match(device(after, 'vd2') ?? '', /bus=diskport2/)
})

test('KVM, UEFI, kernel, config drive', () => {
  const args = commandLine({
    ...launch,
    accelerator: 'kvm',
    uefiCode: '/usr/share/OVMF/OVMF_CODE_4M.fd',
    kernel: '../../images/k.raw',
    ramdisk: '../../images/r.raw',
    configDrive: true,
  })
  assert.deepEqual([values(args, '-accel'), values(args, '-cpu')], [['kvm'], ['host,migratable=on']])
  assert.match(values(args, '-machine')[0] ?? '', /pflash0=uefi-code,pflash1=uefi-vars/)
  assert.deepEqual(values(args, '-kernel'), ['../../images/k.raw'])
  assert.deepEqual(values(args, '-append'), ['root=/dev/vda console=tty0 console=ttyS0'])
  assert.match(device(args, 'vdconfig') ?? '', /serial=config-2/)
})

test('no two devices share a place', () => {
  const nics = Array.from({ length: 20 }, (_, slot) => {
    return { portId: `p${slot}`, mac: `fa:16:3e:00:00:${slot + 10}`, mtu: 1450, tap: `tap${slot}`, slot }
  })
  const args = commandLine({ ...launch, nics })
  const places = values(args, '-device').flatMap((each) => /bus=[^,]+,addr=[^,]+/.exec(each) ?? [])
  assert.equal(new Set(places).size, places.length)
  const ids = values(args, '-device').flatMap((each) => /\bid=[^,]+/.exec(each) ?? [])
  assert.equal(new Set(ids).size, ids.length)
})

test('an id that is no UUID is not passed off as one', () => {
  assert.ok(!commandLine({ ...launch, spec: { ...spec, id: 'probe' } }).includes('-uuid'))
})
