// Makes all that a machine needs before it can start, and puts together how it starts.
import { chown, copyFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { MachineSpec } from '@pileus/contract/agent.ts'
import { isMissing } from '../files.ts'
import { type Launch, mostNics } from './command-line.ts'
import { makeConfigDrive } from './config-drive.ts'
import {
  areDisksMade,
  checkDiskCount,
  type DiskOptions,
  ensureUsable,
  growDisk,
  makeDisk,
  removeOtherDisks,
} from './disks.ts'
import { ensureFolder, type Folder, type MachineState, writeState } from './folder.ts'
import type { Host } from './host.ts'
import { Refusal } from './refusal.ts'

export interface Work {
  host: Host
  folder: Folder
  signal: AbortSignal
  /** Tells what is being done, for a person. */
  progress(doing: string): void
}

const imagesFromFolder = '../../images'

/** Disks, firmware variables and config drive; each is made whole or not at all, so it may be broken off anywhere. */
export async function prepare(work: Work, spec: MachineSpec, before: MachineState): Promise<MachineState> {
  const { host, folder, signal, progress } = work
  if (spec.nics.length > mostNics) throw new Refusal(`A machine on this host can have ${mostNics} ports at most.`)
  if (spec.firmware === 'uefi' && host.uefi === null) throw new Refusal('This host has no UEFI firmware for guests.')
  checkDiskCount(spec)
  await ensureFolder(folder, host.user)
  const options: DiskOptions = { folder, user: host.user, images: host.images, signal }
  let state: MachineState = before.machineType === null ? { ...before, machineType: host.machineType } : before
  if (!areDisksMade(spec, state)) progress('fetching image')
  for (const source of [spec.kernel, spec.ramdisk]) if (source !== null) await ensureUsable(host.images, source, signal)
  for (const disk of spec.disks) {
    const made = state.disks[disk.id]
    if (made !== undefined && made.serial >= disk.serial && (await exists(join(folder.path, made.file)))) {
      await growDisk(options, disk, made)
      continue
    }
    state = { ...state, disks: { ...state.disks, [disk.id]: await makeDisk(options, disk) } }
    await writeState(folder, state)
  }
  state = await removeOtherDisks(folder, spec, state)
  await ensureVariables(work, spec)
  if (spec.configDrive) {
    progress('making the config drive')
    await makeConfigDrive(spec, folder.disk('config.iso'))
    await chown(folder.disk('config.iso'), host.user.uid, host.user.gid)
  }
  await writeState(folder, state)
  return state
}

async function ensureVariables({ host, folder }: Work, spec: MachineSpec): Promise<void> {
  const path = folder.disk('uefi-vars.fd')
  if (spec.firmware !== 'uefi' || host.uefi === null || (await exists(path))) return
  await copyFile(host.uefi.variables, `${path}.partial`)
  await chown(`${path}.partial`, host.user.uid, host.user.gid)
  await rename(`${path}.partial`, path)
}

/** How the machine starts now; undefined while one of its ports is not wired yet. */
export async function planLaunch(work: Work, spec: MachineSpec, state: MachineState): Promise<Launch | undefined> {
  const { host, signal } = work
  const nics: Launch['nics'] = []
  for (const [slot, nic] of spec.nics.entries()) {
    const tap = host.taps.tapFor(nic.portId)
    if (tap === undefined) return undefined
    nics.push({ ...nic, tap: tap.name, slot })
  }
  const disks = spec.disks.map(({ id }) => state.disks[id]).filter((disk) => disk !== undefined)
  const kernel = spec.kernel === null ? null : await ensureUsable(host.images, spec.kernel, signal)
  const ramdisk = spec.ramdisk === null ? null : await ensureUsable(host.images, spec.ramdisk, signal)
  return {
    spec,
    accelerator: host.accelerator,
    machineType: state.machineType ?? host.machineType,
    disks,
    cached: imagesFromFolder,
    nics,
    configDrive: spec.configDrive,
    uefiCode: spec.firmware === 'uefi' ? (host.uefi?.code ?? null) : null,
    kernel: kernel === null ? null : `${imagesFromFolder}/${kernel.file}`,
    ramdisk: ramdisk === null ? null : `${imagesFromFolder}/${ramdisk.file}`,
  }
}

/** Sockets that a QEMU which was killed has left: a new one could not listen there. */
export async function removeSockets(folder: Folder): Promise<void> {
  for (const name of ['qmp.sock', 'qmp-operator.sock', 'vnc.sock', 'serial.sock'])
    await rm(folder.run(name), { force: true })
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false
      throw error
    },
  )
}
