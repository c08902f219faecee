// Bytes move to the backend of another storage class; what they are, and to whom they belong, stays.
import { sql } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import type { World } from '#lib/world.ts'
import { backendOf, backendOfClass } from '../backends.ts'
import type { Extent, StoredObject } from '../model.ts'
import { holdBlobs, releaseBlobs } from './blobs.ts'
import { lockName } from './lock.ts'
import { discard } from './receive.ts'

/**
 * Copies the blobs as they are (encrypted ones too: their key does not depend on where they lie), then makes the row name the
 * copies. False when the object was replaced meanwhile: then nothing has changed.
 */
export async function moveToClass(
  world: World,
  object: Pick<StoredObject, 'containerId' | 'name' | 'version' | 'extents'>,
  table: 'object' | 'object_version',
  storageClass: string,
): Promise<boolean> {
  const { containerId, name, version, extents } = object
  const backend = backendOfClass(world, storageClass)
  const moved: Extent[] = []
  try {
    for (const extent of extents ?? []) {
      const blob = newId()
      await backend.write(blob, await backendOf(world, extent.backend).read(extent.blob))
      moved.push({ ...extent, blob, backend: backend.name })
    }
    const done = await world.db.transaction(async (tx) => {
      await lockName(tx, containerId, name)
      const rows = await tx.rows(sql`
        update ${sql.identifier(table)} set storage_class = ${storageClass},
          extents = ${extents ? JSON.stringify(moved) : null}::text::jsonb
        where container_id = ${containerId} and name = ${name} and version = ${version}
          and extents is not distinct from ${extents ? JSON.stringify(extents) : null}::text::jsonb
        returning version`)
      if (rows.length === 0) return false
      await holdBlobs(tx, moved, false)
      if (extents) await releaseBlobs(tx, extents)
      return true
    })
    if (!done) await remove(world, moved)
    return done
  } catch (error) {
    await discard(world, { extents: moved }, error)
    throw error
  }
}

async function remove(world: World, extents: Extent[]): Promise<void> {
  for (const { blob, backend } of extents) await backendOf(world, backend).remove(blob)
}
