// Gives space back: blobs that nothing refers to, what killed writers left, objects whose time is over.
import { inArray, sql } from '#lib/db.ts'
import { isUuid } from '#lib/id.ts'
import type { World } from '#lib/world.ts'
import type { Backend } from './backend/contract.ts'
import { allBackends, backendOf } from './backends.ts'
import { destroyDueKeys } from './encryption/project-keys.ts'
import { objectBlob, objectGarbage } from './model.ts'
import { onGarbage } from './store/blobs.ts'
import { removeObject } from './store/remove.ts'

const batch = 500
const everyMs = 60_000
// longer than a writer can be between its last byte and its commit
const orphanAgeMs = 3_600_000

/** Removes the blobs that nothing refers to any more; a process that dies in between has them removed again. */
export async function collectGarbage(world: World): Promise<number> {
  let removed = 0
  for (;;) {
    const rows = await world.db.select().from(objectGarbage).limit(batch)
    if (rows.length === 0) return removed
    for (const { id, backend } of rows) await backendOf(world.config, backend).remove(id)
    await world.db.transaction((tx) =>
      tx.delete(objectGarbage).where(
        inArray(
          objectGarbage.id,
          rows.map(({ id }) => id),
        ),
      ),
    )
    removed += rows.length
  }
}

/** Removes what writers left that were killed before their object was visible, once it is older than `ageMs`. */
export async function sweepOrphans(world: World, ageMs = orphanAgeMs): Promise<number> {
  let removed = 0
  for (const backend of allBackends(world.config)) removed += await sweepBackend(world, backend, ageMs)
  return removed
}

async function sweepBackend(world: World, backend: Backend, ageMs: number): Promise<number> {
  let removed = 0
  let waiting: string[] = []
  const judge = async () => {
    if (waiting.length === 0) return
    const known = new Set(
      (await world.db.select({ id: objectBlob.id }).from(objectBlob).where(inArray(objectBlob.id, waiting))).map(
        ({ id }) => id,
      ),
    )
    for (const id of waiting.filter((each) => !known.has(each))) {
      await backend.remove(id)
      removed++
    }
    waiting = []
  }
  for await (const { id, changedAtMs, unfinished } of backend.list()) {
    if (Date.now() - changedAtMs < ageMs) continue
    if (unfinished) {
      await backend.remove(id)
      removed++
    } else if (isUuid(id) && waiting.push(id) === batch) await judge()
  }
  await judge()
  return removed
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

/** Sweeps now and then until the returned function is called. */
export function startSweeping(world: World): () => Promise<void> {
  let running: Promise<unknown> | undefined
  let rounds = 0
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
      await collectGarbage(world)
      if (rounds++ % 60 === 0) await sweepOrphans(world)
    })()
      .catch(failed)
      .finally(() => (running = undefined))
  }
  onGarbage(collect)
  const timer = setInterval(round, everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    onGarbage(() => {})
    await running
  }
}
