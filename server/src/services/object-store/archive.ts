// The older way to keep versions: copies in another container, named <length of the name, 3 hex digits><name>/<time>.
import { first, type Tx, sql } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import { findContainer, type Whose } from './containers.ts'
import { lengthOf, nextName } from './names.ts'
import { type Container, storedObject, type StoredObject } from './model.ts'
import { bytesOf, emptyBytes } from './store/bytes.ts'
import { lockName } from './store/lock.ts'
import { putObject } from './store/put.ts'
import { findObject } from './store/read.ts'
import { removeObject } from './store/remove.ts'

const marker = 'application/x-deleted;swift_versions_deleted=1'

export function factsOf(object: StoredObject) {
  const { contentType, metadata, headers, kind, manifest, deleteAt } = object
  return { contentType, metadata, headers, kind, manifest, deleteAt }
}

const archivePrefix = (name: string) => `${lengthOf(name).toString(16).padStart(3, '0')}${name}/`

async function locationOf(tx: Tx, whose: Whose, container: Container): Promise<Container> {
  const location = await findContainer(tx, whose, container.versionsLocation ?? '')
  if (!location)
    throw new Fault('preconditionFailed', 'The versions location of this container does not exist.', { code: '412' })
  return location
}

/** Before the object of that name is replaced or removed: what it is now is kept. */
export async function archive(tx: Tx, whose: Whose, container: Container, name: string): Promise<void> {
  await lockName(tx, container.id, name)
  const now = await findObject(tx, container.id, name)
  if (!now) return
  const location = await locationOf(tx, whose, container)
  const kept = `${archivePrefix(name)}${(now.version / 1_000_000).toFixed(5)}`
  await putObject(tx, location, kept, bytesOf(now), factsOf(now), { shared: true })
}

/** Deletes as the container's mode says: history keeps what was and a mark; stack brings the one before back. */
export async function removeArchived(
  tx: Tx,
  whose: Whose,
  container: Container,
  name: string,
): Promise<StoredObject | undefined> {
  if (container.versions === 'history') {
    await archive(tx, whose, container, name)
    const removed = await removeObject(tx, container, name)
    if (removed) {
      const location = await locationOf(tx, whose, container)
      const mark = `${archivePrefix(name)}${(Date.now() / 1000).toFixed(5)}`
      await putObject(tx, location, mark, emptyBytes, { contentType: marker, metadata: {}, headers: {} })
    }
    return removed
  }
  await lockName(tx, container.id, name)
  const location = await locationOf(tx, whose, container)
  const prefix = archivePrefix(name)
  const last = first(
    await tx
      .select()
      .from(storedObject)
      .where(
        sql`${storedObject.containerId} = ${location.id} and ${storedObject.name} >= ${prefix} and ${storedObject.name} < ${nextName(prefix)!}`,
      )
      .orderBy(sql`${storedObject.name} desc`)
      .limit(1),
  )
  if (!last) return removeObject(tx, container, name)
  const now = await findObject(tx, container.id, name)
  if (last.contentType !== marker) await putObject(tx, container, name, bytesOf(last), factsOf(last), { shared: true })
  await removeObject(tx, location, last.name)
  return now ?? last
}
