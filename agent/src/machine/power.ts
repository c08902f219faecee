// Decides the next thing to do for one machine, from what is wished, what was done and what is. Pure: the loop does one
// action, looks again, and asks again, so no order of crashes leads anywhere that this does not lead out of.
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { areDisksMade } from './disks.ts'
import type { MachineState } from './folder.ts'

/** What QEMU is doing: its own run states (qapi/run-state.json), those that mean the same to us taken together. */
export type Phase = 'off' | 'running' | 'paused' | 'incoming' | 'saving' | 'saved' | 'halted' | 'stuck' | 'broken'

export type Action =
  | { do: 'nothing'; power: MachineStatus['power']; ready: boolean; doing?: string; error?: string; againMs?: number }
  /** Notes the facts and looks again. */
  | { do: 'note'; state: MachineState }
  | {
      do:
        | 'prepare'
        | 'start'
        | 'resume'
        | 'pause'
        | 'save'
        | 'finish-save'
        | 'finish-restore'
        | 'ask-shutdown'
        | 'ask-again'
        | 'plug'
    }
  /** Ends QEMU; `gentlyMs`: time to write its disks out. */
  | { do: 'end'; gentlyMs: number }

const gentlyMs = 10_000
const pressEveryMs = 5000

export interface Situation {
  spec: MachineSpec
  generation: number
  state: MachineState
  phase: Phase
  /** All that must be there before a start is there (disks, of the right serial and size). */
  prepared: boolean
  nowMs: number
  /** When a guest that stopped for want of disk space may be tried again. */
  unstickAtMs: number
  /** When the power button was pressed last, as far as known. */
  pressedAtMs: number
  /** How the running guest's devices differ from what is wished. */
  live: 'as-wished' | 'other-ports' | 'other-board'
  /** This boot of the host. */
  bootId: string
}

export function decide(situation: Situation): Action {
  return situation.phase === 'off' ? decideOff(situation) : decideLive(situation)
}

function decideLive(situation: Situation): Action {
  const { spec, generation, state, phase, nowMs, bootId } = situation
  const restartOwed = spec.restart.serial > (state.restartSerial ?? spec.restart.serial)
  if (phase === 'halted') {
    // Ours is what was asked for, or what a restart or a wish to be off wants anyway; else it was the guest's own will.
    const ours = restartOwed || state.askedAtMs !== null || spec.power === 'shutdown'
    if (state.started) return note(state, { started: false, halted: ours ? null : { generation, cause: 'guest' } })
    return { do: 'end', gentlyMs }
  }
  if (phase === 'broken') {
    if (state.started) return note(state, { started: false, halted: { generation, cause: 'crash' } })
    return { do: 'end', gentlyMs }
  }
  if (!areDisksMade(spec, state)) return { do: 'end', gentlyMs: 0 }
  if (restartOwed && spec.restart.hard) return { do: 'end', gentlyMs }
  if (phase === 'saved') return state.saved ? { do: 'end', gentlyMs } : { do: 'finish-save' }
  if (phase === 'saving')
    return { do: 'nothing', power: 'paused', ready: false, doing: 'saving the memory', againMs: 200 }
  if (phase === 'incoming') {
    if (spec.power === 'shutdown') return { do: 'end', gentlyMs: 0 }
    return { do: 'nothing', power: 'suspended', ready: false, doing: 'loading saved memory', againMs: 100 }
  }
  if (state.saved) return { do: 'finish-restore' }
  if (!state.started || state.bootId !== bootId) return note(state, { started: true, bootId, halted: null })
  if (restartOwed || spec.power === 'shutdown') {
    // A paused guest does not hear the power button.
    if (spec.shutdownSeconds === 0 || phase === 'paused') return { do: 'end', gentlyMs }
    if (state.askedAtMs === null) return { do: 'ask-shutdown' }
    const leftMs = state.askedAtMs + spec.shutdownSeconds * 1000 - nowMs
    if (leftMs <= 0) return { do: 'end', gentlyMs }
    // A guest that is still booting does not hear the first time.
    const againMs = Math.max(situation.pressedAtMs, state.askedAtMs) + pressEveryMs - nowMs
    if (againMs <= 0) return { do: 'ask-again' }
    const doing = restartOwed ? 'restarting: the guest shuts down' : 'the guest shuts down'
    return { do: 'nothing', power: 'running', ready: false, doing, againMs: Math.min(leftMs, againMs) }
  }
  if (state.askedAtMs !== null && nowMs > state.askedAtMs + forgetAfterMs(spec)) return note(state, { askedAtMs: null })
  if (spec.power === 'suspended') return { do: 'save' }
  if (phase === 'stuck') {
    if (spec.power === 'running' && nowMs >= situation.unstickAtMs) return { do: 'resume' }
    const doing = 'paused, because the host cannot write to the disk; it goes on when there is room'
    return {
      do: 'nothing',
      power: 'paused',
      ready: false,
      doing,
      againMs: Math.max(situation.unstickAtMs - nowMs, 1000),
    }
  }
  if (spec.power === 'running' && phase === 'paused') return { do: 'resume' }
  if (spec.power === 'paused' && phase === 'running') return { do: 'pause' }
  const power = phase === 'paused' ? 'paused' : 'running'
  if (situation.live === 'other-ports') return { do: 'plug' }
  if (situation.live === 'other-board')
    return { do: 'nothing', power, ready: false, doing: 'the rest takes effect at the next start' }
  return { do: 'nothing', power, ready: true }
}

/** A guest that was asked to shut down, then no longer should, may still do it for this long without being obeyed. */
function forgetAfterMs(spec: MachineSpec): number {
  return (spec.shutdownSeconds + 30) * 1000
}

function decideOff({ spec, generation, state, prepared, bootId }: Situation): Action {
  // Seen for the first time: restarts before its creation are not owed.
  if (state.restartSerial === null) return note(state, { restartSerial: spec.restart.serial })
  if (state.started)
    return note(state, { started: false, halted: state.bootId === bootId ? { generation, cause: 'crash' } : null })
  if (state.askedAtMs !== null) return note(state, { askedAtMs: null })
  if (spec.restart.serial > state.restartSerial)
    return note(state, { restartSerial: spec.restart.serial, halted: null, saved: false })
  if (state.saved && (spec.power === 'shutdown' || !areDisksMade(spec, state))) return note(state, { saved: false })
  if (state.saved && spec.power === 'suspended') return { do: 'nothing', power: 'suspended', ready: true }
  const { halted } = state
  if (halted !== null && halted.generation !== generation) return note(state, { halted: null })
  const power = halted?.cause === 'crash' ? 'crashed' : state.saved ? 'suspended' : 'shutdown'
  if (spec.power === 'suspended')
    return { do: 'nothing', power, ready: false, error: 'The machine is off, so there is nothing to suspend.' }
  if (spec.power === 'shutdown') {
    if (!areDisksMade(spec, state)) return { do: 'prepare' }
    return { do: 'nothing', power: 'shutdown', ready: true }
  }
  if (halted !== null) {
    const doing = halted.cause === 'guest' ? 'the guest has shut itself down' : 'the machine has crashed'
    return { do: 'nothing', power, ready: false, doing }
  }
  return prepared || state.saved ? { do: 'start' } : { do: 'prepare' }
}

/** What a machine is, whatever was wished. */
export function powerOf(phase: Phase, state: MachineState): MachineStatus['power'] {
  if (phase === 'running' || phase === 'paused') return phase
  if (phase === 'saving' || phase === 'stuck') return 'paused'
  if (phase === 'incoming' || phase === 'saved') return 'suspended'
  if (phase === 'broken') return 'crashed'
  if (phase === 'off' && state.saved) return 'suspended'
  return phase === 'off' && (state.started || state.halted?.cause === 'crash') ? 'crashed' : 'shutdown'
}

/** QEMU's run states, by what they mean here. */
export function phaseOf(status: string): Phase {
  switch (status) {
    case 'running':
    case 'suspended': // the guest sleeps (ACPI S3); it is on
    case 'debug':
      return 'running'
    case 'paused':
    case 'prelaunch':
      return 'paused'
    case 'inmigrate':
      return 'incoming'
    case 'finish-migrate':
    case 'save-vm':
      return 'saving'
    case 'postmigrate':
      return 'saved'
    case 'shutdown':
      return 'halted'
    case 'io-error':
      return 'stuck'
    default:
      return 'broken'
  }
}

function note(state: MachineState, changes: Partial<MachineState>): Action {
  return { do: 'note', state: { ...state, ...changes } }
}
