// All machines of the host: one loop for each that is wished for or that has a folder here.
import type { ReportedObject } from '@pileus/contract/agent.ts'
import { isSafeId, listIfAny } from '../files.ts'
import { watchConsoles } from './console.ts'
import { machinesFolder } from './folder.ts'
import type { Host } from './host.ts'
import { endMachine, type MachineLoop, machineLoop, type Wish } from './loop.ts'

export interface Machines {
  /** The wish for these has changed. */
  wishesChanged(ids: string[]): void
  /** Something outside has changed that any of them may wait for. */
  wakeAll(): void
  report(ids?: string[]): ReportedObject[]
  find(id: string): MachineLoop | undefined
  /** Leaves the guests as they are. */
  stop(): Promise<void>
}

export interface MachinesOptions {
  host: Host
  wish(id: string): Wish
  wished: string[]
  /** These have another status than before. */
  changed(ids: string[]): void
}

export async function machines({ host, wish, wished, changed }: MachinesOptions): Promise<Machines> {
  const loops = new Map<string, MachineLoop>()
  const news = new Set<string>()
  let stopping = false

  // Changes that come together are told together.
  const tell = (id: string) => {
    if (news.size === 0)
      setImmediate(() => {
        const ids = [...news]
        news.clear()
        if (!stopping) changed(ids)
      })
    news.add(id)
  }
  const ensureLoop = (id: string) => {
    const known = loops.get(id)
    if (known !== undefined) return known
    const loop = machineLoop({ host, id, wish: () => wish(id), changed: () => forgetOrTell(id) })
    loops.set(id, loop)
    return loop
  }
  const forgetOrTell = (id: string) => {
    tell(id)
    const { power, ready } = loops.get(id)?.status().status ?? { power: 'absent', ready: false }
    // Gone, and nobody asks for it any more.
    if (power === 'absent' && !ready && wish(id) === undefined) {
      void loops.get(id)?.stop()
      loops.delete(id)
    }
  }

  const present = (await listIfAny(machinesFolder(host.dataDir))).filter(isSafeId)
  for (const id of new Set([...wished, ...present])) ensureLoop(id)
  const consoles = watchConsoles(host, () => [...loops.keys()])

  return {
    wishesChanged(ids) {
      for (const id of ids) ensureLoop(id).wake()
    },
    wakeAll() {
      for (const loop of loops.values()) loop.wake()
    },
    report(ids = [...loops.keys()]) {
      return ids.flatMap((id): ReportedObject[] => {
        const loop = loops.get(id)
        return loop === undefined ? [] : [{ kind: 'machine', id, ...loop.status() }]
      })
    },
    find: (id) => loops.get(id),
    async stop() {
      stopping = true
      consoles.stop()
      await Promise.all([...loops.values()].map((loop) => loop.stop()))
    },
  }
}

/** Ends every guest of this host; with the same wishes they start again. */
export async function endAllMachines(host: Pick<Host, 'dataDir' | 'log'>): Promise<void> {
  for (const id of (await listIfAny(machinesFolder(host.dataDir))).filter(isSafeId)) {
    host.log.info({ machine: id }, 'ending guest')
    await endMachine(host.dataDir, id)
  }
}
