// The installed QEMU: its version and the boards it offers.
import { access } from 'node:fs/promises'
import { run } from '../run.ts'

export interface Qemu {
  program: string
  /** 7.2.22 is 7002022. */
  version: number
  /** The newest versioned q35 board. */
  machineType: string
}

/** Throws a sentence for the operator when there is no usable QEMU. */
export async function findQemu(): Promise<Qemu> {
  if (process.arch !== 'x64') throw new Error(`Hosts of architecture ${process.arch} are not supported yet.`)
  const program = 'qemu-system-x86_64'
  const { stdout: said } = await run(program, ['--version']).catch((cause: unknown) => {
    throw new Error(`${program} cannot be run: install the package qemu-system-x86.`, { cause })
  })
  const { stdout: boards } = await run(program, ['-machine', 'help'])
  return { program, version: parseVersion(said), machineType: newestBoard(boards) }
}

export function parseVersion(text: string): number {
  const [, major, minor, patch = '0'] = /version (\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? []
  if (major === undefined || minor === undefined)
    throw new Error(`QEMU does not tell its version: ${text.slice(0, 200)}`)
  return Number(major) * 1_000_000 + Number(minor) * 1000 + Number(patch)
}

/** "q35" alone means another board after each upgrade; a guest must keep the one it was installed on. */
export function newestBoard(help: string): string {
  const boards = [...help.matchAll(/^pc-q35-(\d+(?:\.\d+)*)\s/gm)].map(([, version = '']) => version)
  const [newest] = boards.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  if (newest === undefined) throw new Error('This QEMU offers no q35 machine.')
  return `pc-q35-${newest}`
}

const uefiFiles = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  { code: '/usr/share/OVMF/OVMF_CODE.fd', variables: '/usr/share/OVMF/OVMF_VARS.fd' },
  { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', variables: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
]

/** OVMF where distributions put it; null when it is not installed. */
export async function findUefi(): Promise<{ code: string; variables: string } | null> {
  for (const files of uefiFiles) {
    const there = await Promise.all([access(files.code), access(files.variables)]).catch(() => undefined)
    if (there !== undefined) return files
  }
  return null
}
