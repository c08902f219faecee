import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MachineSpec } from '@pileus/contract/agent.ts'
import { exampleMachine } from '@pileus/contract/testing.ts'
import type { MachineState } from './folder.ts'
import { type Action, decide, type Phase } from './power.ts'

const spec = exampleMachine()
const made = { root: { serial: 0, file: 'disks/root.raw', format: 'raw' as const, backing: null } }
const fresh: MachineState = {
  restartSerial: null,
  started: false,
  bootId: '',
  halted: null,
  saved: false,
  askedAtMs: null,
  machineType: null,
  disks: {},
}
const up: MachineState = { ...fresh, restartSerial: 0, started: true, bootId: 'boot-1', machineType: 'q', disks: made }

/** The world that actions change, as far as decisions see it. */
interface World {
  wish: MachineSpec
  generation: number
  state: MachineState
  phase: Phase
  prepared: boolean
  nowMs: number
  /** A guest that hears the power button. */
  obedient: boolean
  live: 'as-wished' | 'other-ports' | 'other-board'
  done: string[]
  pressedAtMs: number
}

function world(changes: Partial<World> = {}): World {
  const base = {
    wish: spec,
    generation: 1,
    state: fresh,
    prepared: false,
    nowMs: 1_000_000,
    obedient: true,
    live: 'as-wished' as const,
  }
  return { ...base, phase: 'off', done: [], pressedAtMs: 0, ...changes }
}

/** Carries out one action the way `act` does. `crash`: only what is on disk and QEMU itself survive it. */
function carryOut(at: World, action: Exclude<Action, { do: 'nothing' }>): void {
  at.done.push(action.do)
  switch (action.do) {
    case 'note':
      at.state = action.state
      break
    case 'prepare':
      at.state = { ...at.state, disks: { root: { ...made.root, serial: at.wish.disks[0]?.serial ?? 0 } } }
      at.prepared = true
      break
    case 'start':
      at.phase = at.state.saved ? 'incoming' : 'running'
      break
    case 'resume':
      at.phase = 'running'
      break
    case 'pause':
      at.phase = 'paused'
      break
    case 'ask-shutdown':
      at.state = { ...at.state, askedAtMs: at.nowMs }
      if (at.obedient) at.phase = 'halted'
      break
    case 'ask-again':
      at.pressedAtMs = at.nowMs
      break
    case 'plug':
      at.live = 'as-wished'
      break
    case 'save':
      at.phase = 'saved'
      at.state = { ...at.state, saved: true, started: false }
      break
    case 'finish-save':
      at.phase = 'running'
      break
    case 'finish-restore':
      at.state = { ...at.state, saved: false, started: true, bootId: 'boot-1', halted: null }
      break
    case 'end':
      at.phase = 'off'
      at.state = { ...at.state, started: false }
      break
  }
}

function next(at: World): Action {
  const { wish, generation, state, phase, prepared, nowMs } = at
  return decide({
    spec: wish,
    generation,
    state,
    phase,
    prepared,
    nowMs,
    unstickAtMs: 0,
    pressedAtMs: at.pressedAtMs,
    live: at.live,
    bootId: 'boot-1',
  })
}

/** Acts until nothing is left to do; waiting moves the clock. The agent is killed before each step that `killed` names. */
function settle(at: World, killed: (step: number) => boolean = () => false): Action & { do: 'nothing' } {
  for (let step = 0; step < 100; step++) {
    if (killed(step)) at.prepared = false
    const action = next(at)
    if (action.do !== 'nothing') {
      carryOut(at, action)
    } else if (action.againMs === undefined) {
      return action
    } else {
      at.nowMs += action.againMs
      if (at.phase === 'incoming') at.phase = 'paused'
    }
  }
  throw new Error(`never settles: ${at.done.join(' ')}`)
}

const status = (action: Action & { do: 'nothing' }) => `${action.power}${action.ready ? '' : ', not ready'}`

test('a new machine is made and started', () => {
  const at = world()
  assert.equal(status(settle(at)), 'running')
  assert.deepEqual(at.done, ['note', 'prepare', 'start', 'note'])
  assert.equal(at.state.restartSerial, 0)
})

test('every wish is reached from every state, and an agent killed at any step changes nothing about it', () => {
  const starts: [string, Partial<World>][] = [
    ['new', {}],
    ['running', { state: up, phase: 'running' }],
    ['paused', { state: up, phase: 'paused' }],
    ['off', { state: { ...up, started: false } }],
    ['suspended', { state: { ...up, started: false, saved: true } }],
    ['saved, not yet ended', { state: { ...up, started: false, saved: true }, phase: 'saved' }],
    ['crashed long ago', { state: { ...up, started: false, halted: { generation: 1, cause: 'crash' } } }],
    ['halted by the guest', { state: up, phase: 'halted' }],
    ['started, not yet noted', { state: { ...up, started: false }, phase: 'running' }],
  ]
  for (const [name, start] of starts)
    for (const power of ['running', 'paused', 'shutdown'] as const)
      for (const hard of [false, true])
        for (let killAt = -1; killAt < 12; killAt++) {
          const wish = { ...spec, power, restart: { serial: 1, hard } }
          const at = world({ ...start, wish, generation: 2, obedient: killAt % 2 === 0 })
          const what = `${name} → ${power}, ${hard ? 'hard' : 'soft'}, killed at ${killAt}: ${at.done.join(' ')}`
          assert.equal(status(settle(at, (step) => step === killAt)), power, what)
          assert.equal(at.state.restartSerial, name === 'new' ? 1 : at.state.restartSerial, what)
        }
})

test('suspend and come back', () => {
  const at = world({ state: up, phase: 'running', wish: { ...spec, power: 'suspended' } })
  assert.equal(status(settle(at)), 'suspended')
  assert.deepEqual(at.done, ['save', 'end'])
  at.wish = { ...spec, power: 'running' }
  at.generation = 2
  assert.equal(status(settle(at)), 'running')
  assert.deepEqual(at.done.slice(2), ['start', 'finish-restore', 'resume'])
})

test('a machine that is off cannot be suspended, and says so', () => {
  const at = world({ state: { ...up, started: false }, wish: { ...spec, power: 'suspended' } })
  assert.match(settle(at).error ?? '', /nothing to suspend/)
})

test('a guest that does not hear the power button loses its power in time', () => {
  const at = world({ state: up, phase: 'running', wish: { ...spec, power: 'shutdown' }, obedient: false })
  assert.equal(status(settle(at)), 'shutdown')
  assert.deepEqual(at.done, ['ask-shutdown', ...Array.from({ length: 11 }, () => 'ask-again'), 'end', 'note'])
  assert.equal(at.nowMs, 1_000_000 + 60_000)
  const atOnce = world({ state: up, phase: 'running', wish: { ...spec, power: 'shutdown', shutdownSeconds: 0 } })
  settle(atOnce)
  assert.deepEqual(atOnce.done, ['end'])
})

test('a soft restart asks first, a hard one does not', () => {
  const soft = world({ state: up, phase: 'running', wish: { ...spec, restart: { serial: 1, hard: false } } })
  assert.equal(status(settle(soft)), 'running')
  assert.equal(soft.done[0], 'ask-shutdown')
  assert.equal(soft.state.restartSerial, 1)
  const hard = world({ state: up, phase: 'running', wish: { ...spec, restart: { serial: 1, hard: true } } })
  assert.equal(status(settle(hard)), 'running')
  assert.deepEqual([hard.done[0], hard.state.restartSerial], ['end', 1])
})

test('a guest that shuts itself down stays off for this wish, a crash is called one, a host that booted starts it', () => {
  const own = world({ state: up, phase: 'halted' })
  assert.equal(status(settle(own)), 'shutdown, not ready')
  own.generation = 2
  assert.equal(status(settle(own)), 'running')
  const crash = world({ state: up })
  assert.equal(status(settle(crash)), 'crashed, not ready')
  const booted = world({ state: { ...up, bootId: 'boot-0' } })
  assert.equal(status(settle(booted)), 'running')
})

test('a start that comes while the guest still shuts down wins', () => {
  const at = world({ state: { ...up, askedAtMs: 999_000 }, phase: 'halted', generation: 3 })
  assert.equal(status(settle(at)), 'running')
})

test('a disk of a newer serial is made anew, running or not', () => {
  const [disk] = spec.disks
  assert.ok(disk !== undefined)
  const at = world({ state: up, phase: 'running', wish: { ...spec, disks: [{ ...disk, serial: 1 }] } })
  assert.equal(status(settle(at)), 'running')
  assert.deepEqual(at.done, ['end', 'prepare', 'start', 'note'])
  assert.equal(at.state.disks.root?.serial, 1)
})

test('a guest without disk space waits and is tried again', () => {
  const stuck = {
    spec,
    generation: 1,
    state: up,
    phase: 'stuck' as const,
    prepared: true,
    pressedAtMs: 0,
    live: 'as-wished' as const,
    bootId: 'boot-1',
  }
  assert.equal(decide({ ...stuck, nowMs: 5, unstickAtMs: 10 }).do, 'nothing')
  assert.equal(decide({ ...stuck, nowMs: 10, unstickAtMs: 10 }).do, 'resume')
})

test('a port is plugged in at once, another board waits for a start', () => {
  const ports = world({ state: up, phase: 'running', live: 'other-ports' })
  assert.equal(status(settle(ports)), 'running')
  assert.deepEqual(ports.done, ['plug'])
  const board = world({ state: up, phase: 'running', live: 'other-board' })
  assert.equal(status(settle(board)), 'running, not ready')
})
