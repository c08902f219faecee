// A write of an object, whichever API asks for it: room, what was there before, the object.
import type { Database } from '#lib/db.ts'
import { archive } from './archive.ts'
import type { EventName } from './notification/rules.ts'
import { hasQuota, hasRoom, type Into } from './quota.ts'
import type { Received } from './store/bytes.ts'
import { type Before, type ObjectFacts, type Put, putAtOnce, putObject } from './store/put.ts'

/**
 * Makes the bytes the object of that name, in one round trip where nothing is asked of what is there. `refuseFull` throws what
 * those are told whose bytes a quota has no room for; for the rest see putObject.
 */
export async function storeObject(
  db: Database,
  into: Into,
  name: string,
  bytes: Received,
  facts: ObjectFacts,
  options: { before?: Before | undefined; shared?: boolean; event?: EventName | undefined; refuseFull: () => never },
): Promise<Put> {
  const { container, whose } = into
  const { before, event, shared = false, refuseFull } = options
  if (!before && !hasQuota(into)) {
    const put = await putAtOnce(db, container, name, bytes, facts)
    if (put) return put
  }
  return db.transaction(async (tx) => {
    if (!(await hasRoom(tx, into, name, bytes.size))) refuseFull()
    if (container.versions === 'stack' || container.versions === 'history') await archive(tx, whose, container, name)
    return putObject(tx, container, name, bytes, facts, { ...(before && { before }), ...(event && { event }), shared })
  })
}
