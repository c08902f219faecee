// What the data plane of this host remembers between two applications of the document. All of it can be lost: the
// files have the lifetime of the kernel's state, and what is only in memory is made true once more after a restart.
import type { HostNetwork } from '@pileus/contract/agent.ts'
import type { Logger } from 'pino'
import { join } from 'node:path'
import { readIfAny, writeWhole } from '../files.ts'
import { loadTables } from './commands.ts'
import { ensureDirectory } from './daemon.ts'
import type { PlaneOptions } from './links.ts'
import { runDirectory } from './names.ts'
import { ensureNamespace, type Settings } from './namespaces.ts'

export interface Plane {
  options: PlaneOptions & { metadataSocket: string }
  directory: string
  log: Logger
  /** The document that connections were last checked against. */
  before: HostNetwork
  /** Network id → conntrack zone. */
  zones: Map<string, number>
  /** Namespace → the nftables text that this process has put there. */
  loaded: Map<string, string>
}

export const emptyDocument: HostNetwork = { networks: [], ports: [], routers: [], groups: {} }

export async function openPlane(options: Plane['options'], log: Logger): Promise<Plane> {
  const directory = runDirectory(options.namespace)
  await ensureDirectory(directory)
  const before = await readIfAny(join(directory, 'applied.json'))
  const zones = await readIfAny(join(directory, 'zones.json'))
  return {
    options,
    directory,
    log,
    before: before === undefined ? emptyDocument : (JSON.parse(before) as HostNetwork),
    zones: new Map(zones === undefined ? [] : (JSON.parse(zones) as [string, number][])),
    loaded: new Map(),
  }
}

export async function rememberApplied(plane: Plane, wish: HostNetwork): Promise<void> {
  await ensureDirectory(plane.directory)
  await writeWhole(join(plane.directory, 'applied.json'), JSON.stringify(wish))
  plane.before = wish
}

/**
 * A zone of its own for every network of the document. A network keeps its zone as long as the last document had it:
 * open connections live in the zone.
 */
export async function assignZones(plane: Plane, wish: HostNetwork): Promise<ReadonlyMap<string, number>> {
  const zones = new Map<string, number>()
  for (const { id } of [...plane.before.networks, ...wish.networks]) {
    const zone = plane.zones.get(id)
    if (zone !== undefined) zones.set(id, zone)
  }
  const taken = new Set(zones.values())
  let next = 1
  for (const { id } of wish.networks) {
    if (zones.has(id)) continue
    while (taken.has(next)) next += 1
    if (next > 65_535) throw new Error('This host has more networks than the kernel has conntrack zones.')
    zones.set(id, next)
    taken.add(next)
  }
  // On disk before they are used, or a restart might give one to another network.
  await ensureDirectory(plane.directory)
  await writeWhole(join(plane.directory, 'zones.json'), JSON.stringify([...zones]))
  plane.zones = zones
  return zones
}

/** The namespace is there; `true` when it had to be made, in which case nothing is loaded in it. */
export async function enterNamespace(
  plane: Plane,
  name: string,
  settings: Settings,
  known: Set<string>,
): Promise<boolean> {
  const made = await ensureNamespace(name, settings, known)
  if (made) plane.loaded.delete(name)
  return made
}

export async function loadOnce(plane: Plane, namespace: string, text: string): Promise<void> {
  if (plane.loaded.get(namespace) === text) return
  await loadTables(namespace, text)
  plane.loaded.set(namespace, text)
}

export const serviceDirectory = (plane: Plane, namespace: string): string =>
  join(plane.directory, namespace.slice(plane.options.namespace.length + 1))
