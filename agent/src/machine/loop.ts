// One loop a machine: look, decide, act, report; again whenever something may have changed.
import { lstat } from 'node:fs/promises'
import type { MachineSpec, MachineStatus } from '@pileus/contract/agent.ts'
import { Type } from 'typebox'
import { act } from './act.ts'
import { type Folder, machineFolder, type MachineState, readState, removeFolder, writeState } from './folder.ts'
import type { Host } from './host.ts'
import { boardOf, readLaunched } from './launched.ts'
import { arePortsSame } from './plug.ts'
import { decide, type Phase, phaseOf, powerOf } from './power.ts'
import type { Work } from './prepare.ts'
import { endProcess, findProcess, lastWords } from './process.ts'
import { openQmp, type Qmp, type QmpEvents } from './qmp.ts'
import { Refusal } from './refusal.ts'

/** What is wished of the machine; undefined: nobody wishes anything, so it is watched and left alone. */
export type Wish = { generation: number; spec: MachineSpec | null } | undefined

export interface MachineLoop {
  /** Something may have changed: look again. A newer wish breaks off what is under way for the older one. */
  wake(): void
  status(): { generation: number; status: MachineStatus }
  qmp(): Qmp | undefined
  /** Stops looking; the guest is left as it is. */
  stop(): Promise<void>
}

export interface LoopOptions {
  host: Host
  id: string
  wish(): Wish
  changed(): void
}

const RunState = Type.Object({ status: Type.String() })
const firstRetryMs = 500
const longestRetryMs = 15_000
// So many failures in a row are no accident: the owner is told, and nothing more is tried for this wish.
const mostFailures = 6
const mostMuteLooks = 3
const unstickMs = 10_000
// Looked at even when nothing seems to happen: the world may change without telling.
const idleMs = 30_000

export function machineLoop({ host, id, wish, changed }: LoopOptions): MachineLoop {
  const log = host.log.child({ machine: id })
  const folder = machineFolder(host.dataDir, id)
  const nothing: MachineStatus = { power: 'absent', ready: false, restartSerial: 0, doing: 'looking', error: null }
  let shown = { generation: 0, status: nothing }
  let qmp: Qmp | undefined
  let dirty = true
  let stopped = false
  let nudge = () => {}
  let work: { generation: number | undefined; stop: AbortController } | undefined
  // Of the wish that is being worked on:
  let generation: number | undefined
  let prepared = false
  let failures = 0
  let gaveUp: string | null = null
  let unstickAtMs = 0
  let pressedAtMs = 0

  const show = (of: number, status: MachineStatus) => {
    if (JSON.stringify(shown) === JSON.stringify({ generation: of, status })) return
    shown = { generation: of, status }
    log.info({ generation: of, ...status }, 'machine')
    changed()
  }
  const wake = () => {
    dirty = true
    if (work !== undefined && work.generation !== wish()?.generation) work.stop.abort(new Error('another wish'))
    nudge()
  }

  const look = async (): Promise<Phase> => {
    if ((await findProcess(folder, id)) === undefined) {
      qmp?.close()
      qmp = undefined
      return 'off'
    }
    if (qmp?.open !== true) {
      qmp = await openOwnQmp(folder, host, {
        event: (name) => {
          log.debug({ event: name }, 'QEMU says')
          wake()
        },
        closed: wake,
      }).catch(async (cause: unknown) => {
        throw new Mute(`QEMU does not answer: ${(await lastWords(folder)) || String(cause)}`, { cause })
      })
    }
    return phaseOf((await qmp.ask(RunState, 'query-status')).status)
  }

  /** One look and at most one action; how long to wait before the next, 0 for at once. */
  const pass = async (now: Wish, signal: AbortSignal): Promise<number> => {
    if (now !== undefined && now.spec === null) {
      await remove(folder, id)
      qmp?.close()
      qmp = undefined
      show(now.generation, { ...nothing, ready: true, doing: '' })
      return idleMs
    }
    const state = await readState(folder)
    const phase = await look().catch((error: unknown): Phase => {
      // A QEMU that does not answer is only ever given up when its owner says so.
      if (isHardRestartOwed(now, state)) return 'broken'
      // Two starts, of a killed agent and of this one, may have met: then one holds the disks, the other the sockets. It
      // was never seen to run, so it can be ended.
      // Nor will it hear that it should shut down.
      if ((!state.started || now?.spec?.power === 'shutdown') && failures >= mostMuteLooks) return 'broken'
      throw error
    })
    const restartSerial = state.restartSerial ?? 0
    if (now?.spec === undefined || now.spec === null || gaveUp !== null) {
      const doing = now === undefined ? 'nobody wishes for this machine' : ''
      const power = isNew(state, phase) ? 'absent' : powerOf(phase, state)
      if (now === undefined && power === 'absent') await removeFolder(folder) // nothing of a guest is in it
      show(now?.generation ?? shown.generation, { power, ready: false, restartSerial, doing, error: gaveUp })
      return idleMs
    }
    const { spec } = now
    const situation = {
      spec,
      generation: now.generation,
      state,
      phase,
      prepared,
      nowMs: Date.now(),
      unstickAtMs,
      pressedAtMs,
      live: await compare(folder, spec),
      bootId: host.bootId,
    }
    const action = decide(situation)
    if (action.do === 'nothing') {
      const { power, ready, doing = '', error = null } = action
      if (ready) failures = 0
      show(now.generation, { power, ready, restartSerial, doing, error })
      return action.againMs ?? idleMs
    }
    log.debug({ action: action.do, phase }, 'acting')
    const progress = (doing: string) => {
      const power = isNew(state, phase) ? 'absent' : powerOf(phase, state)
      show(now.generation, { power, ready: false, restartSerial, doing, error: null })
    }
    if (action.do === 'ask-again') pressedAtMs = Date.now()
    if (phase === 'stuck') unstickAtMs = Date.now() + unstickMs
    const doingWork: Work = { host, folder, signal, progress }
    const { wait } = await act(doingWork, action, spec, state, qmp)
    if (action.do === 'prepare') prepared = true
    if (action.do === 'start' && wait === undefined) failures++ // until it proves to run
    if (action.do === 'start' && failures > mostFailures)
      throw new Error(`QEMU ends soon after its start: ${await lastWords(folder)}`)
    if (wait !== undefined) progress(wait.doing)
    return wait?.againMs ?? 0
  }

  const attempt = async (): Promise<number> => {
    const now = wish()
    if (now?.generation !== generation) {
      generation = now?.generation
      prepared = false
      failures = 0
      gaveUp = null
    }
    const stop = new AbortController()
    work = { generation, stop }
    try {
      return await pass(now, stop.signal)
    } catch (error) {
      if (stop.signal.aborted) return 0
      failures++
      const message = error instanceof Error ? error.message : String(error)
      log.warn({ err: error, failures }, 'not done yet')
      // A mute QEMU still runs its guest: it may find its voice again, and then nothing must be in the way.
      const isHopeless = error instanceof Refusal || (failures > mostFailures && !(error instanceof Mute))
      if (isHopeless && gaveUp === null) {
        gaveUp = error instanceof Refusal ? message : `The host cannot do this: ${message.slice(0, 500)}`
        return 0
      }
      // What was said of an older wish is not news of this one.
      const power =
        shown.status.power === 'crashed' && shown.generation !== generation ? 'shutdown' : shown.status.power
      show(now?.generation ?? shown.generation, {
        ...shown.status,
        power,
        ready: false,
        doing: gaveUp === null ? `trying again: ${message.slice(0, 300)}` : '',
        error: gaveUp,
      })
      return Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs)
    } finally {
      work = undefined
    }
  }

  const running = (async () => {
    while (!stopped) {
      dirty = false
      const againMs = await attempt()
      if (againMs > 0 && !dirty && !stopped) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, againMs)
          nudge = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        nudge = () => {}
      }
    }
  })()
  return {
    wake,
    status: () => shown,
    qmp: () => qmp,
    async stop() {
      stopped = true
      work?.stop.abort(new Error('the agent stops'))
      nudge()
      await running
      qmp?.close()
    },
  }
}

/** A QEMU that is there and does not answer. */
class Mute extends Error {
  override name = 'Mute'
}

/** QEMU's own folder holds the socket: a QEMU that was broken into must not lead the agent to another's. */
async function openOwnQmp(folder: Folder, host: Host, on: QmpEvents): Promise<Qmp> {
  const path = folder.run('qmp.sock')
  const found = await lstat(path)
  if (!found.isSocket() || found.uid !== host.user.uid) throw new Error(`${path} is not QEMU's socket`)
  return await openQmp(path, on)
}

async function compare(folder: Folder, spec: MachineSpec): Promise<'as-wished' | 'other-ports' | 'other-board'> {
  const launched = await readLaunched(folder)
  if (launched === undefined) return 'as-wished'
  if (!arePortsSame(spec, launched)) return 'other-ports'
  return launched.board === boardOf(spec) ? 'as-wished' : 'other-board'
}

function isHardRestartOwed(wish: Wish, state: MachineState): boolean {
  const restart = wish?.spec?.restart
  return restart !== undefined && restart.hard && restart.serial > (state.restartSerial ?? restart.serial)
}

function isNew(state: MachineState, phase: Phase): boolean {
  return phase === 'off' && Object.keys(state.disks).length === 0
}

/** Ends the guest at once and leaves nothing of it. */
async function remove(folder: Folder, id: string): Promise<void> {
  await endProcess(folder, id, 0)
  await removeFolder(folder)
}

/** Ends a guest without its being taken for a crash later: with the same wish it starts again. */
export async function endMachine(dataDir: string, id: string): Promise<void> {
  const folder = machineFolder(dataDir, id)
  const state = await readState(folder)
  if (state.started) await writeState(folder, { ...state, started: false })
  const pid = await findProcess(folder, id)
  if (pid === undefined) return
  const qmp = await openQmp(folder.run('qmp.sock'), { event: () => {}, closed: () => {} }).catch(() => undefined)
  await qmp?.do('quit').catch(() => {})
  await endProcess(folder, id, 10_000)
}
