// Which backend is which: extents name their backend, storage classes map onto one.
import { join } from 'node:path'
import type { Config } from '#lib/config.ts'
import { bug, Fault } from '#lib/fault.ts'
import type { Backend } from './backend/contract.ts'
import { diskBackend } from './backend/disk.ts'
import { standard } from './model.ts'

const made = new Map<string, Backend>()

function disk(config: Config): Backend {
  const dir = join(config.data, 'objects')
  let backend = made.get(dir)
  if (!backend) made.set(dir, (backend = diskBackend(dir)))
  return backend
}

/** All there are: for the sweeper. */
export function allBackends(config: Config): Backend[] {
  return [disk(config)]
}

/** The backend that an extent names. */
export function backendOf(config: Config, name: string): Backend {
  return allBackends(config).find((each) => each.name === name) ?? bug(`there is no backend ${name} any more`)
}

/** Where new bytes of a class go. Throws invalid for a class that there is not. */
export function backendOfClass(config: Config, storageClass: string): Backend {
  if (storageClass !== standard) throw new Fault('invalid', `There is no storage class ${storageClass}.`)
  return disk(config)
}
