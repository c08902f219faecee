// Gives space back: blobs that nothing refers to, what killed writers left, objects whose time is over.
import { and, eq, gt, inArray, lt, sql } from '#lib/db.ts'
import { isUuid } from '#lib/id.ts'
import type { World } from '#lib/world.ts'
import type { Backend } from './backend/contract.ts'
import { allBackends, backendOf } from './backends.ts'
import { destroyDueKeys } from './encryption/project-keys.ts'
import { runLifecycles } from './lifecycle/run.ts'
import { pruneUse } from './metering.ts'
import { objectBlob, objectGarbage } from './model.ts'
import { startScrubbing } from './scrub.ts'
import { onGarbage } from './store/blobs.ts'
import { removeObject } from './store/remove.ts'

const batch = 500
const everyMs = 60_000
// no transaction stays open for so long
const condemnedMs = 86_400_000

/** Removes the blobs that nothing refers to any more; a process that dies in between has them removed again. */
export async function collectGarbage(world: World): Promise<number> {
  let removed = 0
  let last = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const rows = await world.db
      .select()
      .from(objectGarbage)
      .where(gt(objectGarbage.id, last))
      .orderBy(objectGarbage.id)
      .limit(batch)
    if (rows.length === 0) return removed
    const gone: string[] = []
    for (const { id, backend } of rows) {
      try {
        await backendOf(world, backend).remove(id)
        gone.push(id)
      } catch (error) {
        // a place that is away keeps its garbage until it is back; that of others goes
        world.log.warn({ err: error, blob: id, backend }, 'the bytes of a removed object could not be given back yet')
      }
    }
    await world.db.transaction((tx) => tx.delete(objectGarbage).where(inArray(objectGarbage.id, gone)))
    removed += gone.length
    last = rows.at(-1)!.id
  }
}

/** Removes what writers left that were killed before their object was visible, once it is older than `ageMs`. */
export async function sweepOrphans(world: World, ageMs = world.config.objectOrphanMinutes * 60_000): Promise<number> {
  let removed = 0
  for (const backend of allBackends(world)) {
    try {
      removed += (await backend.removeUnfinished(ageMs)) + (await sweepBackend(world, backend, ageMs))
    } catch (error) {
      world.log.warn({ err: error, backend: backend.name }, 'a backend of the object store could not be swept')
    }
  }
  const longAgo = idsBefore(Date.now() - condemnedMs)
  await world.db.transaction((tx) =>
    tx.delete(objectBlob).where(and(eq(objectBlob.refs, 0), lt(objectBlob.id, longAgo))),
  )
  return removed
}

async function sweepBackend(world: World, backend: Backend, ageMs: number): Promise<number> {
  let removed = 0
  let waiting: string[] = []
  const judge = async () => {
    if (waiting.length === 0) return
    const owned = await world.db
      .select({ id: objectBlob.id })
      .from(objectBlob)
      .where(and(inArray(objectBlob.id, waiting), gt(objectBlob.refs, 0)))
    const known = new Set(owned.map(({ id }) => id))
    const others = waiting.filter((id) => !known.has(id))
    for (const { id } of await condemn(world, backend, others)) {
      await backend.remove(id)
      removed++
    }
    waiting = []
  }
  for await (const { id, changedAtMs } of backend.list()) {
    if (Date.now() - changedAtMs >= ageMs && isUuid(id) && waiting.push(id) === batch) await judge()
  }
  await judge()
  return removed
}

/**
 * Whoever was to commit these after all can do so no more: the id is taken, by a row without references. Without it a
 * writer that stood still for very long would store an object whose bytes are being removed.
 */
async function condemn(world: World, backend: Backend, ids: string[]): Promise<{ id: string }[]> {
  if (ids.length === 0) return []
  const rows = ids.map((id) => ({ id, size: 0, backend: backend.name, refs: 0 }))
  return world.db.transaction((tx) =>
    tx
      .insert(objectBlob)
      .values(rows)
      .onConflictDoUpdate({ target: objectBlob.id, set: { refs: 0 }, setWhere: eq(objectBlob.refs, 0) })
      .returning({ id: objectBlob.id }),
  )
}

/** Ids begin with the time when they were made, in milliseconds: 48 bits. */
function idsBefore(ms: number): string {
  const hex = Math.trunc(ms).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

/** Removes objects whose X-Delete-At has passed (they are invisible since then). */
export async function expireObjects(world: World): Promise<number> {
  let removed = 0
  for (;;) {
    const rows = await world.db.rows<{ container_id: string; name: string }>(
      sql`select container_id, name from object where delete_at <= now() order by delete_at limit ${batch}`,
    )
    for (const { container_id, name } of rows) {
      await world.db.transaction((tx) => removeObject(tx, { id: Number(container_id), versions: null }, name))
      removed++
    }
    if (rows.length < batch) return removed
  }
}

/** Sweeps and scrubs now and then until the returned function is called. */
export function startSweeping(world: World): () => Promise<void> {
  let running: Promise<unknown> | undefined
  const orphansEveryMs = world.config.objectOrphanMinutes * 60_000
  let nextOrphans = 0
  const failed = (error: unknown) => world.log.warn({ err: error }, 'the object store could not be swept')
  const collect = () => {
    running ??= collectGarbage(world)
      .catch(failed)
      .finally(() => (running = undefined))
  }
  const round = () => {
    running ??= (async () => {
      await expireObjects(world)
      await destroyDueKeys(world.db)
      await runLifecycles(world)
      await collectGarbage(world)
      if (performance.now() < nextOrphans) return
      nextOrphans = performance.now() + orphansEveryMs
      await sweepOrphans(world)
      await pruneUse(world)
    })()
      .catch(failed)
      .finally(() => (running = undefined))
  }
  onGarbage(collect)
  const timer = setInterval(round, Math.min(everyMs, Math.max(orphansEveryMs, 1000)))
  timer.unref()
  const stopScrubbing = startScrubbing(world)
  return async () => {
    clearInterval(timer)
    onGarbage(() => {})
    await Promise.all([stopScrubbing(), running])
  }
}
