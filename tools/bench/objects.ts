// Objects: small ones and lists through both APIs, large ones, and beside OpenStack's own Swift.
import { startCloud } from './cloud.ts'
import { measureBesideSwift } from './objects-beside.ts'
import { measureSmallObjects } from './objects-small.ts'
import { measureStreams } from './objects-stream.ts'
import type { Note } from './page.ts'

/** In a network and a mount namespace of one's own. */
export async function measureObjects(note: Note): Promise<void> {
  const cloud = await startCloud(['--sim', '1', '--processes', '1'], false, { hasS3: true })
  try {
    await measureSmallObjects(cloud, note)
  } finally {
    await cloud.stop()
  }
  await measureStreams(note, { rounds: 7, megabytes: 256, parallel: 50 })
  for (const line of await measureBesideSwift({ operations: 4000, rounds: 3, megabytes: 256 }))
    note({ ...line, what: line.what.replace(/^object/, 'beside Swift: object') })
}
