// Which backend is which: extents name their backend, storage classes map onto one.
import type { Config, ObjectBackendSettings } from '#lib/config.ts'
import { bug, Fault } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import type { Backend } from './backend/contract.ts'
import { defaultDir, diskBackend } from './backend/disk/index.ts'
import { s3Backend } from './backend/s3/index.ts'
import { standard } from './model.ts'

type Where = Pick<World, 'config' | 'log'>

interface Places {
  backends: ReadonlyMap<string, Backend>
  /** Storage class → backend. */
  classes: ReadonlyMap<string, Backend>
}

const made = new WeakMap<Config, Places>()

/** Throws an Error when the settings name what there is not. */
function placesOf(world: Where): Places {
  let places = made.get(world.config)
  if (!places) made.set(world.config, (places = makePlaces(world)))
  return places
}

function makePlaces({ config, log }: Where): Places {
  const dirs = config.objectDirs.split(',').flatMap((dir) => dir.trim() || [])
  const disk = diskBackend({
    name: 'disk',
    dirs: dirs.length > 0 ? dirs : [defaultDir(config.data)],
    make: dirs.length === 0,
    copies: config.objectCopies,
    ...(config.objectCopiesMin > 0 && { atLeast: config.objectCopiesMin }),
    log,
  })
  const backends = new Map<string, Backend>([[disk.name, disk]])
  for (const settings of config.objectBackends) {
    if (backends.has(settings.name)) throw new Error(`Setting objectBackends: there are two named ${settings.name}.`)
    backends.set(settings.name, makeBackend(settings, log))
  }
  const classes = new Map<string, Backend>([[standard, disk]])
  for (const { name, backend } of config.objectClasses) {
    const found = backends.get(backend)
    if (!found) throw new Error(`Setting objectClasses: there is no backend ${backend}.`)
    classes.set(name, found)
  }
  return { backends, classes }
}

function makeBackend(settings: ObjectBackendSettings, log: World['log']): Backend {
  if (settings.kind === 's3') return s3Backend(settings)
  const { name, dirs, copies = 1, copiesMin } = settings
  return diskBackend({ name, dirs, copies, ...(copiesMin !== undefined && { atLeast: copiesMin }), log })
}

/** All there are: for the sweeper and the scrubber. */
export function allBackends(world: Where): Backend[] {
  return [...placesOf(world).backends.values()]
}

/** The backend that an extent names. */
export function backendOf(world: Where, name: string): Backend {
  return placesOf(world).backends.get(name) ?? bug(`objects lie at the backend ${name}, which the settings do not have`)
}

/** Where new bytes of a class go. Throws invalid for a class that there is not. */
export function backendOfClass(world: Where, storageClass: string): Backend {
  const found = placesOf(world).classes.get(storageClass)
  if (!found) throw new Fault('invalid', `There is no storage class ${storageClass}.`)
  return found
}

/** The names of the storage classes, STANDARD first. */
export function storageClasses(world: Where): string[] {
  return [...placesOf(world).classes.keys()]
}
