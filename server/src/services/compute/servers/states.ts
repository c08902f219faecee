// The states of a server, what leads from one to another, and what Nova calls them.
import type { MachineSpec } from '@pileus/contract/agent.ts'

export const states = [
  'building',
  'active',
  'stopping',
  'stopped',
  'starting',
  'rebooting',
  'rebooting-hard',
  'pausing',
  'paused',
  'unpausing',
  'suspending',
  'suspended',
  'resuming',
  'rebuilding',
  'deleting',
  'error',
  'deleted',
] as const
export type State = (typeof states)[number]
export type Power = MachineSpec['power']

/** What a running machine comes to rest in. */
export type Rest = 'active' | 'stopped' | 'paused' | 'suspended'

/** A change of a server that exists: where it may begin, what it is called meanwhile, where it ends. */
export interface Change {
  from: readonly State[]
  during: State
  then: Rest
  power: Power
}

/** By the name that instance actions have. A reboot raises the restart serial, a rebuild the disk serial. */
export const changes = {
  start: { from: ['stopped'], during: 'starting', then: 'active', power: 'running' },
  stop: { from: ['active', 'error'], during: 'stopping', then: 'stopped', power: 'shutdown' },
  reboot: { from: ['active'], during: 'rebooting', then: 'active', power: 'running' },
  'reboot-hard': {
    from: ['active', 'stopped', 'paused', 'suspended', 'error'],
    during: 'rebooting-hard',
    then: 'active',
    power: 'running',
  },
  pause: { from: ['active'], during: 'pausing', then: 'paused', power: 'paused' },
  unpause: { from: ['paused'], during: 'unpausing', then: 'active', power: 'running' },
  suspend: { from: ['active'], during: 'suspending', then: 'suspended', power: 'suspended' },
  resume: { from: ['suspended'], during: 'resuming', then: 'active', power: 'running' },
  rebuild: { from: ['active', 'error'], during: 'rebuilding', then: 'active', power: 'running' },
  'rebuild-stopped': { from: ['stopped'], during: 'rebuilding', then: 'stopped', power: 'shutdown' },
} as const satisfies Record<string, Change>
export type ChangeName = keyof typeof changes

/** Nova's words for one state. Power states: 0 none, 1 running, 3 paused, 4 shut down. */
export interface Words {
  status: string
  vm: string
  task: string | null
  power: 0 | 1 | 3 | 4
}
export const words: Readonly<Record<State, Words>> = {
  building: { status: 'BUILD', vm: 'building', task: 'spawning', power: 0 },
  active: { status: 'ACTIVE', vm: 'active', task: null, power: 1 },
  stopping: { status: 'ACTIVE', vm: 'active', task: 'powering-off', power: 1 },
  stopped: { status: 'SHUTOFF', vm: 'stopped', task: null, power: 4 },
  starting: { status: 'SHUTOFF', vm: 'stopped', task: 'powering-on', power: 4 },
  rebooting: { status: 'REBOOT', vm: 'active', task: 'rebooting', power: 1 },
  'rebooting-hard': { status: 'HARD_REBOOT', vm: 'active', task: 'rebooting_hard', power: 1 },
  pausing: { status: 'ACTIVE', vm: 'active', task: 'pausing', power: 1 },
  paused: { status: 'PAUSED', vm: 'paused', task: null, power: 3 },
  unpausing: { status: 'PAUSED', vm: 'paused', task: 'unpausing', power: 3 },
  suspending: { status: 'ACTIVE', vm: 'active', task: 'suspending', power: 1 },
  suspended: { status: 'SUSPENDED', vm: 'suspended', task: null, power: 4 },
  resuming: { status: 'SUSPENDED', vm: 'suspended', task: 'resuming', power: 4 },
  rebuilding: { status: 'REBUILD', vm: 'active', task: 'rebuilding', power: 1 },
  deleting: { status: 'ACTIVE', vm: 'active', task: 'deleting', power: 1 },
  error: { status: 'ERROR', vm: 'error', task: null, power: 0 },
  deleted: { status: 'DELETED', vm: 'deleted', task: null, power: 0 },
}

/** The states whose words have this value: for filters. */
export function statesWith(word: keyof Words, value: string): State[] {
  return states.filter((state) => String(words[state][word]).toLowerCase() === value.toLowerCase())
}
