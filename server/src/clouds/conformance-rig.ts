// What the conformance tests hold in their hands: a cloud with its data plane, and how to ask it for a machine.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { Fault } from '#lib/fault.ts'
import type { CloudWorld } from './cloud.ts'
import { type Drivers, type Recorder, wakeBell } from './testing.ts'

export interface Rig {
  world: CloudWorld
  drivers: Drivers
  reports: Recorder
  /** Two hosts that are there and connected. */
  hosts: readonly [string, string]
  hostAway(host: string, away: boolean): Promise<void>
  /** The guest ends by itself. */
  guestEnds(machineId: string, power: 'shutdown' | 'crashed'): Promise<void>
  /** The machine does not get ready until it is released. */
  hold(machineId: string, held: boolean): Promise<void>
  /** The data plane cannot start it, and says why; null: it can again. */
  refuse(machineId: string, sentence: string | null): Promise<void>
  /** Ids of all machines in the data plane itself. */
  machines(): Promise<string[]>
  /** What differs after each start of the guest. */
  incarnation(machineId: string): Promise<string>
}

export const signal = new AbortController().signal

export type Scope = Pick<TestContext, 'after'>

type Hold = (rig: Rig, ready: Ready, t: TestContext) => Promise<void>
/** Says what every cloud owes in a sentence, and holds one to it. */
export type Promising = (sentence: string, hold: Hold) => void

/** Which of these machines there are in the data plane. */
export async function there(rig: Rig, ...specs: MachineSpec[]): Promise<string[]> {
  const all = new Set(await rig.machines())
  return specs.map(({ id }) => id).filter((id) => all.has(id))
}

export interface Ready {
  /** Asks, sleeps until it is wakened, asks again: as compute's tasks do. A cloud that forgets to wake never ends. */
  (host: string, spec: MachineSpec): Promise<MachineStatus>
  gone(machineId: string, host: string | null): Promise<void>
}

export function readiness(t: TestContext, { world, drivers }: Rig): Ready {
  const bell = wakeBell(t, world.db)
  const repeat = async <Answer>(id: string, ask: () => Promise<Answer>, done: (answer: Answer) => boolean) => {
    await bell.sleeper(id)
    for (;;) {
      const before = await bell.wakesOf(id)
      const answer = await ask()
      if (done(answer)) return answer
      await bell.wakened(id, before)
    }
  }
  return Object.assign(
    (host: string, spec: MachineSpec) =>
      repeat(
        spec.id,
        () => drivers.compute.ensureMachine(host, spec, signal),
        (status) => status.ready,
      ),
    {
      async gone(id: string, host: string | null) {
        await repeat(
          id,
          () => drivers.compute.ensureNoMachine(id, host, signal),
          (answer) => answer === 'gone',
        )
      },
    },
  )
}

export async function rejectsWith(kind: Fault['kind'], promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => error instanceof Fault && error.kind === kind)
}
