// Sees to it that what is stored stays right: every blob that an object refers to is looked at in turn, made whole from a
// good copy, and listed when it cannot be.
import { setTimeout as delay } from 'node:timers/promises'
import { and, eq, gt, sql } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { counter, gauge } from '#lib/metrics.ts'
import type { World } from '#lib/world.ts'
import type { Backend, Checked } from './backend/contract.ts'
import { allBackends } from './backends.ts'
import { objectBlob, objectDamage, objectScrub } from './model.ts'

const batch = 25
const everyMs = 60_000
// a process that does not say that it goes on is taken to be dead
const leaseSeconds = 120

const checkedBlobs = counter('object_blobs_checked', 'Blobs of the object store that were looked at by the scrubber')
const repairedCopies = counter('object_copies_repaired', 'Copies of blobs that were made anew from a good one')
let damaged = 0
gauge('object_blobs_damaged', 'Blobs without a good copy, as this process last saw', () => damaged)

export interface ScrubOptions {
  /** Reads every byte; else only sees that the copies are there. */
  deep: boolean
  /** Bytes a second; 0: as fast as it goes. */
  rate?: number
  signal?: AbortSignal
}
export interface Scrubbed {
  checked: number
  repaired: number
  damaged: number
}

/** One look at every blob of a backend. */
export async function scrubBackend(world: World, backend: Backend, options: ScrubOptions): Promise<Scrubbed> {
  const total: Scrubbed = { checked: 0, repaired: 0, damaged: 0 }
  const done = pace(options.rate ?? 0, options.signal)
  for (let after: string | undefined = first; after !== undefined;)
    after = await scrubBatch(world, backend, after, options.deep, done, total)
  return total
}
const first = '00000000-0000-0000-0000-000000000000'

/** Looks at the blobs behind `after`; answers where it came to, undefined at the end. */
async function scrubBatch(
  world: World,
  backend: Backend,
  after: string,
  deep: boolean,
  paced: (bytes: number) => Promise<void>,
  total: Scrubbed,
): Promise<string | undefined> {
  const rows = await world.db
    .select({ id: objectBlob.id })
    .from(objectBlob)
    .where(and(eq(objectBlob.backend, backend.name), gt(objectBlob.id, after), gt(objectBlob.refs, 0)))
    .orderBy(objectBlob.id)
    .limit(batch)
  for (const { id } of rows) {
    const found = await backend.check(id, { deep, paced })
    total.checked++
    total.repaired += found.repaired
    checkedBlobs()
    for (let n = 0; n < found.repaired; n++) repairedCopies()
    if (await noted(world, backend, id, found)) total.damaged++
  }
  return rows.length < batch ? undefined : rows.at(-1)!.id
}

/** Keeps the list of what cannot be repaired; true when this blob is on it. */
async function noted(world: World, backend: Backend, id: string, { state }: Checked): Promise<boolean> {
  if (state === 'whole') {
    const [was] = await world.db.select().from(objectDamage).where(eq(objectDamage.blob, id))
    if (was) await world.db.transaction((tx) => tx.delete(objectDamage).where(eq(objectDamage.blob, id)))
    return false
  }
  // it may have been removed while it was looked at
  const [made] = await world.db.transaction((tx) =>
    tx.rows<{ blob: string }>(sql`insert into object_damage (blob, backend, problem)
      select id, backend, ${state} from object_blob where id = ${id}
      on conflict (blob) do update set problem = excluded.problem returning blob`),
  )
  if (made) world.log.error({ blob: id, backend: backend.name, state }, 'bytes of an object are lost: no copy is right')
  return made !== undefined
}

/** Waits so long after each piece that the rate is kept. */
function pace(bytesPerSecond: number, signal: AbortSignal | undefined): (bytes: number) => Promise<void> {
  let due = performance.now()
  return async (bytes) => {
    signal?.throwIfAborted()
    if (bytesPerSecond === 0) return
    due = Math.max(due, performance.now() - 1000) + (bytes / bytesPerSecond) * 1000
    const waitMs = due - performance.now()
    if (waitMs > 10) await delay(waitMs, undefined, { ...(signal && { signal }) })
  }
}

/** Scrubs in the background until the returned function is called; of all processes one does it. */
export function startScrubbing(world: World): () => Promise<void> {
  const owner = newId()
  const going = new AbortController()
  const { signal } = going
  const rate = world.config.objectScrubMbS * 1e6
  let running: Promise<void> | undefined
  const scrub = async (backend: Backend) => {
    try {
      await fill(world, backend, owner, signal)
      if (rate > 0) await readOn(world, backend, owner, { rate, signal })
    } catch (error) {
      // one that does not answer does not keep the others from their turn
      if (!signal.aborted) world.log.warn({ err: error, backend: backend.name }, 'a backend could not be scrubbed')
    }
  }
  const round = () => {
    running ??= (async () => {
      for (const backend of allBackends(world)) await scrub(backend)
      const [row] = await world.db.rows<{ n: string }>(sql`select count(*) as n from object_damage`)
      damaged = Number(row!.n)
    })()
      .catch((error: unknown) => {
        if (!signal.aborted) world.log.warn({ err: error }, 'the object store could not be scrubbed')
      })
      .finally(() => (running = undefined))
  }
  const timer = setInterval(round, everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    going.abort()
    await running
  }
}

/** A disk that is new or was emptied gets its share at once, without waiting for its turn. */
async function fill(world: World, backend: Backend, owner: string, signal: AbortSignal): Promise<void> {
  if (!(await backend.wantsFilling())) return
  const pass = `${backend.name} fill`
  if ((await claim(world, pass, owner)) === undefined) return
  const total: Scrubbed = { checked: 0, repaired: 0, damaged: 0 }
  for (let next: string | undefined = first; next !== undefined;) {
    signal.throwIfAborted()
    next = await scrubBatch(world, backend, next, false, async () => signal.throwIfAborted(), total)
    if ((await claim(world, pass, owner)) === undefined) return
  }
  await backend.filled()
  world.log.info({ backend: backend.name, ...total }, 'a new disk of the object store has its share')
}

/** Goes on with the reading of everything where it was left, for as long as this process has it. */
async function readOn(
  world: World,
  backend: Backend,
  owner: string,
  { rate, signal }: { rate: number; signal: AbortSignal },
): Promise<void> {
  let after = await claim(world, backend.name, owner, world.config.objectScrubDays)
  if (after === undefined) return
  const total: Scrubbed = { checked: 0, repaired: 0, damaged: 0 }
  let said = performance.now()
  const waited = pace(rate, signal)
  const paced = async (bytes: number) => {
    await waited(bytes)
    if (performance.now() - said < (leaseSeconds * 1000) / 4) return
    said = performance.now()
    if ((await claim(world, backend.name, owner)) === undefined) throw new Error('another process scrubs')
  }
  const until = performance.now() + everyMs
  while (performance.now() < until) {
    const next = await scrubBatch(world, backend, after, true, paced, total)
    await world.db.transaction((tx) =>
      tx
        .update(objectScrub)
        .set(next === undefined ? { at: first, roundEndedAt: sql`now()` } : { at: next })
        .where(eq(objectScrub.pass, backend.name)),
    )
    if (next === undefined) return
    after = next
  }
}

/** Takes or renews the lease on a pass: where it stands, or undefined when it is another's or its time has not come. */
async function claim(world: World, pass: string, owner: string, restDays = 0): Promise<string | undefined> {
  const [row] = await world.db.transaction((tx) =>
    tx.rows<{ at: string }>(sql`
      insert into object_scrub (pass, owner, leased_until)
      values (${pass}, ${owner}, now() + ${leaseSeconds} * interval '1 second')
      on conflict (pass) do update set owner = excluded.owner, leased_until = excluded.leased_until
        where (object_scrub.owner = excluded.owner or object_scrub.leased_until < now())
          and (object_scrub.at <> ${first}::uuid or object_scrub.round_ended_at is null
            or object_scrub.round_ended_at < now() - ${restDays} * interval '1 day')
      returning at`),
  )
  return row?.at
}
