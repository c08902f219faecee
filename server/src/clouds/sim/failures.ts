// Failures on demand: what tests (and nobody else) do to the simulated cloud of this process.
import { Fault } from '#lib/fault.ts'

export interface Failures {
  /** How many calls the drivers have had. */
  readonly calls: number
  /** The n-th call from now on (0: the next one) throws once, as an unexpected error would. */
  failCall: (n: number) => void
  /** The host does not answer: what is asked of it stays under way until it is back. */
  hostDown: (host: string, down: boolean) => Promise<void>
  /** The machine never gets ready until it is released. */
  hold: (machineId: string, held: boolean) => Promise<void>
  /** Starting the machine is refused with that sentence; null lets it start again. */
  refuse: (machineId: string, sentence: string | null) => void
}

export interface FailureState extends Failures {
  /** Called first by each driver call. */
  enter(): void
  isDown(host: string): boolean
  /** Remembers that the machine waits for a host that is down. */
  waits(machineId: string, host: string): void
  isHeld(machineId: string): boolean
  requireAllowed(machineId: string): void
}

/** `wake` tells those who wait for machines that something has changed. */
export function failures(wake: (machineIds: string[]) => Promise<unknown>): FailureState {
  const failing = new Set<number>()
  const down = new Set<string>()
  const held = new Set<string>()
  const refused = new Map<string, string>()
  const waiting = new Map<string, Set<string>>()
  let calls = 0
  return {
    get calls() {
      return calls
    },
    failCall: (n) => void failing.add(calls + n),
    async hostDown(host, is) {
      put(down, host, is)
      if (is) return
      await wake([...(waiting.get(host) ?? [])])
      waiting.delete(host)
    },
    async hold(id, is) {
      put(held, id, is)
      if (!is) await wake([id])
    },
    refuse: (id, sentence) => void (sentence === null ? refused.delete(id) : refused.set(id, sentence)),
    enter() {
      if (failing.delete(calls++)) throw new Error('a simulated failure')
    },
    isDown: (host) => down.has(host),
    waits: (id, host) => void waiting.set(host, (waiting.get(host) ?? new Set()).add(id)),
    isHeld: (id) => held.has(id),
    requireAllowed(id) {
      const sentence = refused.get(id)
      if (sentence !== undefined) throw new Fault('unavailable', sentence)
    },
  }
}

function put(set: Set<string>, key: string, there: boolean): void {
  if (there) set.add(key)
  else set.delete(key)
}
