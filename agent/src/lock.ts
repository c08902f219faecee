// What only one agent may work on: its data directory, and the data plane of a namespace.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Another agent holds it; the message is a sentence for the operator. */
export class Taken extends Error {
  override name = 'Taken'
}

/**
 * Where the lock of a data plane lies: beside the folders of the planes, under a name that none of them can have. Network
 * namespaces that share /run share the names of namespaces, and so this lock too.
 */
export const planeLock = (namespace: string): string => `/run/pileus/.locks/${namespace}`

/**
 * Holds the lock until the process ends; throws `Taken` with this sentence while another process holds it. SQLite's lock
 * of a file is the kernel's: it goes with the process however that ends, and no child inherits it.
 */
export async function holdLock(path: string, sentence: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o711 })
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    const isBusy = error instanceof Error && 'errcode' in error && error.errcode === 5 // SQLITE_BUSY
    throw isBusy ? new Taken(sentence, { cause: error }) : error
  }
  held.push(database) // one that nobody refers to would be closed, and its lock with it
}

const held: DatabaseSync[] = []
