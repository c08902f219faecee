// The config drive: the guest's documents as a small read-only disk labelled config-2.
import { chmod, mkdir, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { configDriveFiles, type Guest } from '../metadata/documents.ts'
import { run } from '../run.ts'

/** Writes the drive to `path`, whole or not at all; throws when this host has no program to make one with. */
export async function makeConfigDrive(guest: Guest, path: string): Promise<void> {
  const staging = `${path}.content`
  const partial = `${path}.partial`
  await rm(staging, { recursive: true, force: true })
  await rm(partial, { force: true })
  try {
    for (const [name, content] of configDriveFiles(guest)) {
      await mkdir(dirname(join(staging, name)), { recursive: true, mode: 0o700 })
      await writeFile(join(staging, name), content)
    }
    await makeImage(staging, partial)
    await chmod(partial, 0o600) // the guest's password is in it, and QEMU's owner alone reads it
    await rename(partial, path)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

const isoArguments = ['-ldots', '-allow-lowercase', '-allow-multidot', '-l', '-quiet', '-J', '-r', '-V', 'config-2']
const isoMakers: [string, string[]][] = [
  ['genisoimage', []],
  ['xorriso', ['-as', 'mkisofs']],
  ['mkisofs', []],
]

async function makeImage(staging: string, path: string): Promise<void> {
  for (const [program, first] of isoMakers) {
    try {
      // xorriso knows only some of genisoimage's words; Rock Ridge (-r) alone keeps the names for Linux.
      const args = first.length === 0 ? isoArguments : ['-quiet', '-J', '-r', '-V', 'config-2']
      await run(program, [...first, ...args, '-o', path, staging])
      return
    } catch (error) {
      if (!isNotInstalled(error)) throw error
    }
  }
  await makeVfat(staging, path)
}

/** Without any ISO 9660 maker: a FAT disk, which guests look for under the same label. */
async function makeVfat(staging: string, path: string): Promise<void> {
  try {
    await writeFile(path, '')
    await truncate(path, 64 * 1024 * 1024)
    await run('mformat', ['-i', path, '-v', 'config-2', '-F', '::'])
    const names = await readdir(staging)
    await run('mcopy', ['-i', path, '-s', ...names.map((name) => join(staging, name)), '::/'])
  } catch (error) {
    if (!isNotInstalled(error)) throw error
    throw new Error('This host can make no config drive: install genisoimage, xorriso or mtools.', { cause: error })
  }
  await stat(path)
}

function isNotInstalled(error: unknown): boolean {
  return (
    error instanceof Error && error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'ENOENT'
  )
}
