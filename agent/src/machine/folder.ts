// One folder a machine: `data/machines/<id>/`. The folder and `state.json` belong to the agent; `run/` and the files in
// `disks/` belong to the QEMU user, so a QEMU that was broken out of can change nothing that the agent believes.
//
//   state.json      what was done so far (this file is what makes every step repeatable)
//   launch.json     what the running or suspended QEMU was started with
//   pid             the QEMU process, as far as known
//   memory          the saved memory of a suspended guest
//   disks/          <disk>.qcow2 | <disk>.raw, config.iso, uefi-vars.fd
//   run/            qmp.sock, qmp-operator.sock, vnc.sock, serial.sock, console.log, qemu.log
import { constants } from 'node:fs'
import { chown, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import { readIfAny, removePartial, writeWhole } from '../files.ts'
import type { QemuUser } from '../unprivileged.ts'

const DiskState = Type.Object({
  serial: Type.Integer(),
  file: Type.String(), // within the machine's folder
  format: Type.Enum(['qcow2', 'raw']),
  backing: Type.Union([Type.Null(), Type.Object({ file: Type.String(), format: Type.Enum(['qcow2', 'raw']) })]),
})
export type DiskState = Static<typeof DiskState>

const MachineState = Type.Object({
  /** The last restart carried out; null until the machine has been looked at for the first time. */
  restartSerial: Type.Union([Type.Integer(), Type.Null()]),
  /** A QEMU was started and nobody has meant to end it: when it is gone, it crashed. */
  started: Type.Boolean(),
  /** The host's boot in which it was started: with another boot it did not crash, the host went away under it. */
  bootId: Type.String(),
  /** Why the machine is off although the wish of that generation is that it runs. */
  halted: Type.Union([Type.Null(), Type.Object({ generation: Type.Integer(), cause: Type.Enum(['guest', 'crash']) })]),
  /** `memory` holds the whole state of a suspended guest. */
  saved: Type.Boolean(),
  /** When the guest was asked to shut down (Unix ms), while the answer is awaited. */
  askedAtMs: Type.Union([Type.Integer(), Type.Null()]),
  /** Stays for the machine's life: a guest that finds itself on another board may want a new licence or lose its NICs. */
  machineType: Type.Union([Type.String(), Type.Null()]),
  disks: Type.Record(Type.String(), DiskState),
})
export type MachineState = Static<typeof MachineState>

const noState: MachineState = {
  restartSerial: null,
  started: false,
  bootId: '',
  halted: null,
  saved: false,
  askedAtMs: null,
  machineType: null,
  disks: {},
}

export interface Folder {
  path: string
  run(name: string): string
  disk(name: string): string
}

export function machinesFolder(dataDir: string): string {
  return join(dataDir, 'machines')
}

export function machineFolder(dataDir: string, id: string): Folder {
  const path = join(machinesFolder(dataDir), id)
  return { path, run: (name) => join(path, 'run', name), disk: (name) => join(path, 'disks', name) }
}

/** Makes the folder, or what a crash left out of it. */
export async function ensureFolder(folder: Folder, user: QemuUser): Promise<void> {
  await mkdir(folder.path, { recursive: true, mode: 0o711 })
  await mkdir(join(folder.path, 'disks'), { recursive: true, mode: 0o711 })
  await mkdir(join(folder.path, 'run'), { recursive: true, mode: 0o700 })
  await chown(join(folder.path, 'run'), user.uid, user.gid)
  await removePartial(folder.path)
}

export async function removeFolder(folder: Folder): Promise<void> {
  await rm(folder.path, { recursive: true, force: true })
}

export async function readState(folder: Folder): Promise<MachineState> {
  const text = await readIfAny(join(folder.path, 'state.json'))
  return text === undefined ? noState : Value.Parse(MachineState, JSON.parse(text))
}

export async function writeState(folder: Folder, state: MachineState): Promise<void> {
  await writeWhole(join(folder.path, 'state.json'), JSON.stringify(state))
}

/** Opens a file that the QEMU user owns, for reading; a link in its place is refused. */
export function openForeign(path: string, flags = constants.O_RDONLY) {
  return open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK)
}
