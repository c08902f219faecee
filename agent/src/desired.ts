// The wishes, kept on disk: an agent that starts while no server answers still knows what should be.
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { DesiredObject, type HostNetwork, type MachineSpec, type ServerFrame } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { Type } from 'typebox'
import Value from 'typebox/value'
import { isSafeId, readIfAny, writeWhole } from './files.ts'

type Desired = Extract<ServerFrame, { type: 'desired' }>

export interface Wishes {
  machine(id: string): { generation: number; spec: MachineSpec | null } | undefined
  machineIds(): string[]
  network(): { generation: number; spec: HostNetwork } | undefined
  /** Takes over what is newer; when it has resolved it is on disk. Returns what has changed. */
  take(desired: Desired): Promise<{ machines: string[]; network: boolean }>
}

const File = Type.Object({ objects: Type.Array(DesiredObject) })

export async function loadWishes(dataDir: string, log: Logger): Promise<Wishes> {
  const path = join(dataDir, 'desired.json')
  const kept = await readKept(path, log)
  let objects = new Map(kept.map((object) => [keyOf(object), object]))

  return {
    machine(id) {
      const found = objects.get(`machine/${id}`)
      return found?.kind === 'machine' ? found : undefined
    },
    machineIds: () => [...objects.values()].flatMap((object) => (object.kind === 'machine' ? [object.id] : [])),
    network() {
      const found = objects.get('network/host')
      return found?.kind === 'network' ? found : undefined
    },
    async take({ complete, objects: given }) {
      const next = new Map(complete ? [] : objects)
      const changed = new Set<string>()
      for (const object of given) {
        const key = keyOf(object)
        const known = objects.get(key)
        if (!isSafeId(object.id)) {
          log.error({ id: object.id }, 'refused an object whose id could not name a folder')
        } else if (known !== undefined && known.generation > object.generation) {
          log.warn({ id: object.id, generation: object.generation, known: known.generation }, 'an old wish came late')
          next.set(key, known)
        } else {
          if (known?.generation !== object.generation) changed.add(key)
          next.set(key, object)
        }
      }
      for (const key of objects.keys()) if (!next.has(key)) changed.add(key)
      // The network document outlives a reply that leaves it out: running guests hang on it.
      const network = objects.get('network/host')
      if (network !== undefined && !next.has('network/host')) next.set('network/host', network)
      if (changed.size > 0) await writeWhole(path, JSON.stringify({ objects: [...next.values()] }))
      objects = next
      return {
        machines: [...changed].filter((key) => key.startsWith('machine/')).map((key) => key.slice('machine/'.length)),
        network: changed.has('network/host'),
      }
    },
  }
}

/**
 * What another version of the contract wrote may not be readable any more. Then there are no wishes, and nothing is
 * touched, until the server has sent them all again.
 */
async function readKept(path: string, log: Logger): Promise<DesiredObject[]> {
  const text = await readIfAny(path)
  if (text === undefined) return []
  try {
    return Value.Parse(File, JSON.parse(text)).objects
  } catch (error) {
    const aside = `${path}.unreadable`
    await rename(path, aside)
    log.error({ err: error, aside }, 'the kept wishes cannot be read; waiting for the server to send them again')
    return []
  }
}

function keyOf({ kind, id }: DesiredObject): string {
  return `${kind}/${id}`
}
