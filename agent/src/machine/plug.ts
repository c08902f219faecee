// Ports that come to a running guest and go from it: one step at a time, each found again after a crash.
import type { MachineSpec } from '@pileus/contract/agent.ts'
import { Type } from 'typebox'
import { type Nic, nicArguments, nicDevices } from './command-line.ts'
import { type Launched, writeLaunched } from './launched.ts'
import type { Work } from './prepare.ts'
import { type Qmp, QmpError } from './qmp.ts'

/** What must happen elsewhere before the next step. */
export interface Wait {
  doing: string
  againMs: number
}

export function arePortsSame(spec: MachineSpec, launched: Launched): boolean {
  const has = launched.nics.map(({ portId }) => portId).toSorted((a, b) => a.localeCompare(b))
  const wants = spec.nics.map(({ portId }) => portId).toSorted((a, b) => a.localeCompare(b))
  return JSON.stringify(has) === JSON.stringify(wants)
}

/** Takes out one NIC too many, or puts one in that is missing; undefined when the step is done. */
export async function plug(work: Work, spec: MachineSpec, launched: Launched, qmp: Qmp): Promise<Wait | undefined> {
  const surplus = launched.nics.find(({ portId }) => spec.nics.every((nic) => nic.portId !== portId))
  if (surplus !== undefined) return await unplug(work, launched, surplus, qmp)
  const missing = spec.nics.find(({ portId }) => launched.nics.every((nic) => nic.portId !== portId))
  if (missing === undefined) return undefined
  const tap = work.host.taps.tapFor(missing.portId)
  if (tap === undefined) return { doing: 'waiting for network', againMs: 1000 }
  const taken = new Set(launched.nics.map(({ slot }) => slot))
  const slot = Array.from({ length: launched.nicPorts }, (_, i) => i).find((i) => !taken.has(i))
  if (slot === undefined || launched.namespace !== tap.namespace)
    return { doing: 'another port has room only after the next start', againMs: 60_000 }
  const nic: Nic = { ...missing, tap: tap.name, slot }
  // A step that an earlier agent did not come to note: undone, then done again.
  if (await isPlugged(qmp, slot)) return await pull(qmp, slot)
  await qmp.do('netdev_del', { id: `net${slot}` }).catch(ignoreRefusal)
  const { netdev, device } = nicDevices(nic)
  await qmp.do('netdev_add', netdev)
  await qmp.do('device_add', device)
  const args = [...launched.args, ...nicArguments(nic)]
  await writeLaunched(work.folder, { ...launched, args, nics: [...launched.nics, nic] })
  return undefined
}

async function unplug(work: Work, launched: Launched, nic: Nic, qmp: Qmp): Promise<Wait | undefined> {
  if (await isPlugged(qmp, nic.slot)) return await pull(qmp, nic.slot)
  await qmp.do('netdev_del', { id: `net${nic.slot}` }).catch(ignoreRefusal)
  const nics = launched.nics.filter(({ slot }) => slot !== nic.slot)
  await writeLaunched(work.folder, { ...launched, args: argsWithout(launched.args, nic), nics })
  return undefined
}

/** The guest must let go of it, and one that has not booted yet does not hear of it: so it is asked again and again. */
async function pull(qmp: Qmp, slot: number): Promise<Wait> {
  await qmp.do('device_del', { id: `nic${slot}` }).catch(ignoreRefusal)
  return { doing: 'waiting for the guest to give a port back', againMs: 2000 }
}

const Children = Type.Array(Type.Object({ name: Type.String() }))

async function isPlugged(qmp: Qmp, slot: number): Promise<boolean> {
  const children = await qmp.ask(Children, 'qom-list', { path: '/machine/peripheral' })
  return children.some(({ name }) => name === `nic${slot}`)
}

/** "Device not found" and "already in the process of unplug": what was asked is so, or will be. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof QmpError)) throw error
}

/** The command line that gives the board as it is now: a saved guest must find the very same. */
export function argsWithout(args: string[], nic: Nic): string[] {
  const own = nicArguments(nic)
  const isOwn = (i: number) =>
    (args[i] === own[0] && args[i + 1] === own[1]) || (args[i] === own[2] && args[i + 1] === own[3])
  return args.filter((_, i) => !isOwn(i) && !(i > 0 && isOwn(i - 1)))
}
