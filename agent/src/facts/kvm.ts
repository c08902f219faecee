// Whether KVM can be trusted. That /dev/kvm is there proves nothing: some hosts have one that runs no ordinary guest.
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { RunError, run } from '../run.ts'
import { bootSector, exitCode } from './boot-sector.ts'

/** kvm when this host's KVM really runs a guest, else tcg; `why` says what stood against it. */
export async function chooseAccelerator(
  wanted: 'auto' | 'tcg' | 'kvm',
  program: string,
  cpuFlags: Set<string>,
): Promise<{ accelerator: 'kvm' | 'tcg'; why: string }> {
  if (wanted !== 'auto') return { accelerator: wanted, why: 'the operator says so' }
  if (!cpuFlags.has('vmx') && !cpuFlags.has('svm'))
    return { accelerator: 'tcg', why: 'the processor offers no virtualisation' }
  try {
    await (await open('/dev/kvm', constants.O_RDWR)).close()
  } catch {
    return { accelerator: 'tcg', why: '/dev/kvm cannot be opened' }
  }
  const boots = await bootsUnder('kvm', program)
  return boots
    ? { accelerator: 'kvm', why: 'a probe guest ran under it' }
    : { accelerator: 'tcg', why: 'a probe guest did not run under KVM' }
}

/** Runs a guest of one sector that turns paging on and says so: what a broken KVM does not get through. */
export async function bootsUnder(accelerator: 'kvm' | 'tcg', program: string): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-probe-'))
  try {
    const disk = join(folder, 'probe')
    await writeFile(disk, bootSector())
    await run(
      program,
      [
        ...['-machine', 'q35', '-accel', accelerator, '-m', '32', '-nodefaults', '-no-user-config', '-display', 'none'],
        ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-boot', 'strict=on'],
        ...['-blockdev', `driver=raw,node-name=probe,read-only=on,file.driver=file,file.filename=${disk}`],
        ...['-device', 'virtio-blk-pci,drive=probe,bootindex=1'],
      ],
      { timeoutMs: 20_000 },
    )
    return false // it has no way to end well
  } catch (error) {
    return error instanceof RunError && error.exitCode === exitCode
  } finally {
    await rm(folder, { recursive: true })
  }
}
