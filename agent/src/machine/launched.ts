// What the running or suspended QEMU was started with, and what was plugged into it since.
import { join } from 'node:path'
import type { MachineSpec } from '@pileus/contract/agent.ts'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import { readIfAny, writeWhole } from '../files.ts'
import { commandLine, type Launch, nicPorts } from './command-line.ts'
import type { Folder } from './folder.ts'

const Launched = Type.Object({
  /** The whole command line but for what restores memory. */
  args: Type.Array(Type.String()),
  /** null: outside of any, so it can have no NIC. */
  namespace: Type.Union([Type.String(), Type.Null()]),
  nics: Type.Array(
    Type.Object({
      portId: Type.String(),
      mac: Type.String(),
      mtu: Type.Integer(),
      tap: Type.String(),
      slot: Type.Integer(),
    }),
  ),
  nicPorts: Type.Integer(),
  /** Of all that only a start can change. */
  board: Type.String(),
})
export type Launched = Static<typeof Launched>

export function launchedFrom(launch: Launch, namespace: string | null): Launched {
  const { nics, spec } = launch
  return { args: commandLine(launch), namespace, nics, nicPorts: nicPorts(nics), board: boardOf(spec) }
}

export async function readLaunched(folder: Folder): Promise<Launched | undefined> {
  const text = await readIfAny(join(folder.path, 'launch.json'))
  return text === undefined ? undefined : Value.Parse(Launched, JSON.parse(text))
}

export async function writeLaunched(folder: Folder, launched: Launched): Promise<void> {
  await writeWhole(join(folder.path, 'launch.json'), JSON.stringify(launched))
}

/** Two wishes with the same board differ in nothing that a running guest cannot take up. */
export function boardOf({ vcpus, memoryMb, firmware, disks, kernel, ramdisk, kernelArgs }: MachineSpec): string {
  const booted = [kernel?.imageId ?? '', ramdisk?.imageId ?? '', kernel === null ? '' : kernelArgs]
  return JSON.stringify([vcpus, memoryMb, firmware, disks.map(({ id }) => id), ...booted])
}
