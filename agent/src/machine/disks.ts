// The files of a machine's disks: overlays on cached images, or blank ones.
import { chown, rename, rm, stat, writeFile } from 'node:fs/promises'
import type { DiskSpec, MachineSpec } from '@pileus/contract/agent.ts'
import type { CachedImage, ImageCache } from '../image/cache.ts'
import { isSafeId } from '../files.ts'
import { BadImage } from '../image/qcow2.ts'
import { type RunResult, RunError } from '../run.ts'
import { type QemuUser, runLimited } from '../unprivileged.ts'
import { mostDisks } from './command-line.ts'
import type { DiskState, Folder, MachineState } from './folder.ts'
import { Refusal } from './refusal.ts'

export interface DiskOptions {
  folder: Folder
  user: QemuUser
  images: ImageCache
  signal: AbortSignal
}

/** Whether each disk has been made, and from the image it should come from. */
export function areDisksMade(spec: MachineSpec, state: MachineState): boolean {
  return spec.disks.every(({ id, serial }) => (state.disks[id]?.serial ?? Number.NEGATIVE_INFINITY) >= serial)
}

/**
 * Makes the disk if it is not there yet or is older than its serial; only while the machine is off. Throws a `Refusal`
 * when it can never be made.
 */
export async function makeDisk(options: DiskOptions, disk: DiskSpec): Promise<DiskState> {
  const { folder, images, signal } = options
  if (!isSafeId(disk.id)) throw new Refusal(`The disk id ${disk.id} is not usable.`)
  const image = disk.image === null ? null : await ensureUsable(images, disk.image, signal)
  const sizeMb = await sizeOf(disk, image)
  const format = image === null ? 'raw' : 'qcow2'
  const file = `disks/${disk.id}.${format}`
  const partial = `disks/${disk.id}.partial`
  await makeOwned(folder, partial, options.user)
  if (image === null) await makeBlank(options, partial, disk.role, sizeMb)
  else {
    // -u: the image was inspected when it was fetched, QEMU need not open it again; its path is seen from disks/.
    const backing = ['-b', `../../../images/${image.file}`, '-F', image.format, '-u']
    await imageTool(options, ['create', '-q', '-f', 'qcow2', ...backing, partial, `${sizeMb}M`])
  }
  await rename(`${folder.path}/${partial}`, `${folder.path}/${file}`)
  const backing = image === null ? null : { file: image.file, format: image.format }
  return { serial: disk.serial, file, format, backing }
}

/** Grows a disk of a machine that is off to its wished size; disks never shrink. */
export async function growDisk(options: DiskOptions, disk: DiskSpec, state: DiskState): Promise<void> {
  if (disk.sizeMb === 0) return
  const wishedBytes = disk.sizeMb * 1024 * 1024
  const bytes = await virtualBytes(options, state)
  if (bytes < wishedBytes) await imageTool(options, ['resize', '-q', '-f', state.format, state.file, `${disk.sizeMb}M`])
}

/** Removes the files of disks that are no longer wished for. */
export async function removeOtherDisks(folder: Folder, spec: MachineSpec, state: MachineState): Promise<MachineState> {
  const disks: MachineState['disks'] = {}
  for (const [id, disk] of Object.entries(state.disks))
    if (spec.disks.some((wished) => wished.id === id)) disks[id] = disk
    else await rm(`${folder.path}/${disk.file}`, { force: true })
  return { ...state, disks }
}

/** An image that never will do is the owner's to change. */
export async function ensureUsable(
  images: ImageCache,
  source: NonNullable<DiskSpec['image']>,
  signal: AbortSignal,
): Promise<CachedImage> {
  try {
    return await images.ensure(source, signal)
  } catch (error) {
    if (error instanceof BadImage) throw new Refusal(error.message, { cause: error })
    throw error
  }
}

export function checkDiskCount(spec: MachineSpec): void {
  if (spec.disks.length > mostDisks) throw new Refusal(`A machine on this host can have ${mostDisks} disks at most.`)
}

async function sizeOf(disk: DiskSpec, image: CachedImage | null): Promise<number> {
  const imageMb = image === null ? 0 : Math.ceil(image.virtualBytes / (1024 * 1024))
  if (disk.sizeMb === 0) {
    if (image === null) throw new Refusal(`The ${disk.role} disk has neither a size nor an image.`)
    return imageMb
  }
  if (imageMb > disk.sizeMb)
    throw new Refusal(
      `The image needs a disk of ${imageMb} MB, and the flavor gives ${disk.sizeMb} MB. Choose a flavor with a larger disk.`,
    )
  return disk.sizeMb
}

/** The tools run as a user that may not make files in the folder, only fill those made for it. */
async function makeOwned(folder: Folder, file: string, user: QemuUser): Promise<void> {
  const path = `${folder.path}/${file}`
  await rm(path, { force: true })
  await writeFile(path, '', { mode: 0o600, flag: 'wx' })
  await chown(path, user.uid, user.gid)
}

async function makeBlank(options: DiskOptions, file: string, role: DiskSpec['role'], sizeMb: number): Promise<void> {
  await imageTool(options, ['create', '-q', '-f', 'raw', file, `${sizeMb}M`])
  const tool =
    role === 'swap'
      ? ['mkswap', '--label', 'swap']
      : role === 'ephemeral'
        ? ['mkfs.ext4', '-q', '-F', '-L', 'ephemeral0']
        : null
  const [program, ...args] = tool ?? []
  if (program === undefined) return
  try {
    await runLimited(options.user, program, [...args, file], { cwd: options.folder.path })
  } catch (error) {
    // A host without the program gives a blank disk: the guest can format it itself.
    if (!(error instanceof RunError && error.exitCode === 127)) throw error
  }
}

const onDisk = /"virtual-size":\s*(\d+)/

async function virtualBytes(options: DiskOptions, state: DiskState): Promise<number> {
  if (state.format === 'raw') return (await stat(`${options.folder.path}/${state.file}`)).size
  const { stdout } = await imageTool(options, ['info', '-U', '--output=json', '-f', state.format, state.file])
  return Number(onDisk.exec(stdout)?.[1] ?? 0)
}

function imageTool(options: DiskOptions, args: string[]): Promise<RunResult> {
  return runLimited(options.user, 'qemu-img', args, { cwd: options.folder.path, signal: options.signal })
}
