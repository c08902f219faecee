// Carries out one action that `decide` chose. Each may be broken off anywhere and be asked for again.
import type { MachineSpec } from '@pileus/contract/agent.ts'
import { ensureFolder, type MachineState, writeState } from './folder.ts'
import { dropMemory, isMemorySaved, memoryFile, saveMemory } from './memory.ts'
import type { Action } from './power.ts'
import { launchedFrom, readLaunched, writeLaunched } from './launched.ts'
import { plug, type Wait } from './plug.ts'
import { planLaunch, prepare, removeSockets, type Work } from './prepare.ts'
import { endProcess, startProcess } from './process.ts'
import type { Qmp } from './qmp.ts'

/** What came of it; `wait` says what must happen elsewhere first. */
export interface Outcome {
  state: MachineState
  wait?: Wait
}

export async function act(
  work: Work,
  action: Exclude<Action, { do: 'nothing' }>,
  spec: MachineSpec,
  state: MachineState,
  qmp: Qmp | undefined,
): Promise<Outcome> {
  const { host, folder, progress } = work
  const keep = async (changed: MachineState): Promise<Outcome> => {
    await ensureFolder(folder, host.user)
    await writeState(folder, changed)
    return { state: changed }
  }
  const live = () => qmp ?? bug(`${action.do} needs a live QEMU`)
  switch (action.do) {
    case 'note':
      return await keep(action.state)
    case 'prepare':
      return { state: await prepare(work, spec, state) }
    case 'start':
      return await start(work, spec, state)
    case 'resume':
      await live().do('cont')
      return { state }
    case 'pause':
      await live().do('stop')
      return { state }
    case 'plug': {
      const launched = (await readLaunched(folder)) ?? bug('a live QEMU without a note of its start')
      const wait = await plug(work, spec, launched, live())
      return wait === undefined ? { state } : { state, wait }
    }
    case 'ask-again':
      await live().do('system_powerdown')
      return { state }
    case 'ask-shutdown':
      await live().do('system_powerdown')
      return await keep({ ...state, askedAtMs: Date.now() })
    case 'save':
      progress('saving the memory')
      await saveMemory(folder, host.user, live(), work.signal)
      return await keep({ ...state, saved: true, started: false })
    case 'finish-save':
      // Without the whole file the guest must not be given up: it goes on and is saved again.
      if (await isMemorySaved(folder)) return await keep({ ...state, saved: true, started: false })
      await live().do('cont')
      return { state }
    case 'finish-restore': {
      const outcome = await keep({ ...state, saved: false, started: true, bootId: host.bootId, halted: null })
      await dropMemory(folder)
      return outcome
    }
    case 'end': {
      progress('stopping')
      const meant = state.started ? (await keep({ ...state, started: false })).state : state
      if (action.gentlyMs > 0) await qmp?.do('quit').catch(() => {}) // it may end before it answers
      await endProcess(folder, spec.id, qmp === undefined ? 0 : action.gentlyMs)
      return { state: meant }
    }
  }
}

async function start(work: Work, spec: MachineSpec, state: MachineState): Promise<Outcome> {
  const { host, folder, progress } = work
  await ensureFolder(folder, host.user)
  const launch = await planLaunch(work, spec, state)
  if (launch === undefined) return { state, wait: { doing: 'waiting for network', againMs: 1000 } }
  progress('starting')
  const fresh = launchedFrom(launch, await host.namespace())
  // A saved guest goes back onto the board that it was saved on, to the last detail.
  const launched = state.saved ? ((await readLaunched(folder)) ?? fresh) : fresh
  if (!state.saved) {
    await dropMemory(folder)
    await writeLaunched(folder, launched)
  }
  await removeSockets(folder)
  await startProcess({
    folder,
    user: host.user,
    namespace: launched.namespace,
    program: host.program,
    signal: work.signal,
    args: [...launched.args, ...(state.saved ? ['-incoming', 'fd:3'] : [])],
    ...(state.saved ? { memoryFile: memoryFile(folder) } : {}),
  })
  return { state }
}

function bug(message: string): never {
  throw new Error(message)
}
