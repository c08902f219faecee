// What processes that were killed left behind: images that wait for data nobody sends any more, and files of no image.
import type { World } from '#lib/world.ts'
import { ensureNoImageFile, filesOlderThan, lastWritten } from '../store.ts'
import { knownFiles, letGo, unfinishedUploads } from './model.ts'

/** An upload that has brought no byte for as long as this is dead. */
const deadAfterMs = 15 * 60_000

/** Puts images of dead uploads back to where their data can be sent again, and removes files that no image names. */
export async function sweepImages(world: World, olderThanMs = deadAfterMs): Promise<void> {
  const { db, config } = world
  const before = new Date(Date.now() - olderThanMs)
  for (const { id, file } of await unfinishedUploads(db, before)) {
    const written = file === null ? undefined : await lastWritten(config, file)
    if (written && written >= before) continue
    if (await db.transaction((tx) => letGo(tx, id, file)))
      world.log.warn({ image: id }, 'an upload ended with its process')
  }
  const old = await filesOlderThan(config, before)
  const known = await knownFiles(db, old)
  for (const file of old) if (!known.has(file)) await ensureNoImageFile(config, file)
}
