import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../run.ts'
import { bootsUnder, chooseAccelerator } from './kvm.ts'
import { newestBoard, parseVersion } from './qemu.ts'
import { traitsOf } from './traits.ts'

const qemuMissing = await run('qemu-system-x86_64', ['--version']).then(
  () => false,
  () => 'qemu-system-x86_64 is not installed',
)

test('version and board', () => {
  assert.equal(parseVersion('QEMU emulator version 7.2.22 (Debian 1:7.2)'), 7002022)
  assert.equal(parseVersion('QEMU emulator version 10.0'), 10000000)
  const help =
    'q35        Standard PC (alias of pc-q35-10.0)\npc-q35-9.2   Standard\npc-q35-10.0  Standard\npc-q35-2.12 Standard\n'
  assert.equal(newestBoard(help), 'pc-q35-10.0')
  assert.throws(() => newestBoard('virt  ARM'), /no q35/)
})

test('a processor without virtualisation gets TCG, whatever /dev/kvm promises', async () => {
  const chosen = await chooseAccelerator('auto', 'qemu-system-x86_64', new Set(['sse2']))
  assert.equal(chosen.accelerator, 'tcg')
  assert.equal((await chooseAccelerator('kvm', '', new Set())).accelerator, 'kvm')
})

test('the probe guest runs to its end', { skip: qemuMissing }, async () => {
  assert.equal(await bootsUnder('tcg', 'qemu-system-x86_64'), true)
})

test('traits: the processor only under KVM', () => {
  const flags = new Set(['avx2', 'pni', 'hypervisor'])
  const tcg = traitsOf({ accelerator: 'tcg', cpuFlags: flags, hasUefi: false, network: ['CUSTOM_PILEUS_LINK_VXLAN'] })
  assert.ok(tcg.includes('CUSTOM_PILEUS_TCG') && tcg.includes('CUSTOM_PILEUS_LINK_VXLAN'))
  assert.ok(!tcg.some((trait) => trait.startsWith('HW_CPU')) && !tcg.includes('COMPUTE_FIRMWARE_UEFI'))
  const kvm = traitsOf({ accelerator: 'kvm', cpuFlags: flags, hasUefi: true, network: [] })
  assert.deepEqual(
    kvm.filter((trait) => /CPU|UEFI/.test(trait)),
    ['COMPUTE_FIRMWARE_UEFI', 'HW_CPU_X86_AVX2', 'HW_CPU_X86_SSE3'],
  )
  assert.deepEqual(kvm, kvm.toSorted())
})
