// Carries out what the lifecycles of buckets ask for. It may be stopped anywhere and run twice: what is due is read from the rows
// anew, and each object is looked at once more under its lock.
import { first, sql } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { type Container, objectContainer, type ObjectLock, type StoredObject } from '../model.ts'
import { nextName } from '../names.ts'
import { moveToClass } from '../store/move.ts'
import { removeObject } from '../store/remove.ts'
import { removeVersion } from '../store/versions.ts'
import { endUpload, takeUpload } from '../uploads.ts'
import { type Candidate, dueAt, type LifecycleRule, verdictOnCurrent, verdictOnOlder } from './rules.ts'

const batch = 500
const everyHours = 1

export interface Done {
  expired: number
  moved: number
}

/** The buckets whose turn it is. Processes take turns: one bucket is begun by one of them, once an hour. */
export async function runLifecycles(world: World, now = new Date(), everyMs = everyHours * 3_600_000): Promise<Done> {
  const done: Done = { expired: 0, moved: 0 }
  for (;;) {
    const [turn] = await world.db.transaction((tx) =>
      tx.rows<{ container_id: string; value: LifecycleRule[] }>(sql`
        update object_bucket_setting set ran_at = now() where kind = 'lifecycle' and container_id = (
          select container_id from object_bucket_setting
          where kind = 'lifecycle' and (ran_at is null or ran_at <= now() - ${everyMs} * interval '1 millisecond')
          order by ran_at nulls first limit 1 for update skip locked)
        returning container_id, value`),
    )
    if (!turn) return done
    const container = first(
      await world.db
        .select()
        .from(objectContainer)
        .where(sql`${objectContainer.id} = ${turn.container_id}::bigint`),
    )
    if (container) await runLifecycle(world, container, turn.value, now, done)
    if (everyMs <= 0) return done
  }
}

/** One bucket's. */
export async function runLifecycle(
  world: World,
  container: Container,
  rules: readonly LifecycleRule[],
  now: Date,
  done: Done,
): Promise<void> {
  const enabled = rules.filter(({ enabled }) => enabled)
  const onCurrent = enabled.filter(({ expire, transitions }) => expire !== undefined || (transitions ?? []).length > 0)
  const onOlder = enabled.filter(
    ({ expireOlder, transitionsOfOlder, expireMarkers }) =>
      expireOlder !== undefined || expireMarkers === true || (transitionsOfOlder ?? []).length > 0,
  )
  const onUploads = enabled.filter(({ abortUploadsAfterDays }) => abortUploadsAfterDays !== undefined)
  if (onUploads.length > 0) done.expired += await abortUploads(world, container, onUploads, now)
  if (onCurrent.length > 0) await walkCurrent(world, container, onCurrent, now, done)
  if (onOlder.length > 0 && container.versions !== null) await walkOlder(world, container, onOlder, now, done)
}

/** The bounds of all names that the rules can mean. */
function reach(rules: readonly LifecycleRule[]): { from: string; below: string | undefined } {
  const prefixes = rules.map(({ filter }) => filter.prefix ?? '')
  let common = prefixes[0] ?? ''
  for (const prefix of prefixes) while (!prefix.startsWith(common)) common = common.slice(0, -1)
  return { from: common, below: nextName(common) }
}

interface Row {
  name: string
  version: string
  size: string
  tags: Record<string, string> | null
  since: Date | string | null
  storage_class: string
  extents: StoredObject['extents']
  lock: ObjectLock | null
}
const candidateOf = (row: Row): Candidate => ({
  name: row.name,
  size: Number(row.size),
  tags: row.tags,
  since: new Date(row.since!),
  storageClass: row.storage_class,
})

async function walkCurrent(
  world: World,
  container: Container,
  rules: readonly LifecycleRule[],
  now: Date,
  done: Done,
): Promise<void> {
  const { from, below } = reach(rules)
  let after: string | undefined
  for (;;) {
    const rows = await world.db.rows<Row>(sql`
      select name, version, size, tags, modified_at as since, storage_class, extents, lock from object
      where container_id = ${container.id} and ${after === undefined ? sql`name >= ${from}` : sql`name > ${after}`}
        ${below === undefined ? sql`` : sql`and name < ${below}`}
      order by name limit ${batch}`)
    for (const row of rows) {
      const verdict = verdictOnCurrent(rules, candidateOf(row), now)
      const version = Number(row.version)
      if (verdict?.kind === 'expire') done.expired += await expire(world, container, row.name, version)
      else if (verdict) {
        const object = { containerId: container.id, name: row.name, version, extents: row.extents }
        done.moved += Number(await moveToClass(world, object, 'object', verdict.storageClass))
      }
    }
    if (rows.length < batch) return
    after = rows.at(-1)!.name
  }
}

class Changed extends Error {}
const requireSame = (version: number) => (current: StoredObject | undefined) => {
  if (current?.version !== version) throw new Changed()
}

/** 0 when it is another object by now, or one that may not go. */
async function expire(world: World, container: Container, name: string, version: number): Promise<number> {
  try {
    await world.db.transaction((tx) =>
      removeObject(tx, container, name, requireSame(version), { by: 'LifecycleExpiration' }),
    )
    return 1
  } catch (error) {
    if (error instanceof Changed || error instanceof Fault) return 0
    throw error
  }
}

interface OlderRow extends Row {
  delete_marker: boolean
  older_rank: string
  alone: boolean
}

async function walkOlder(
  world: World,
  container: Container,
  rules: readonly LifecycleRule[],
  now: Date,
  done: Done,
): Promise<void> {
  const { from, below } = reach(rules)
  let after: string | undefined
  for (;;) {
    // whole names, so that each version is seen with its neighbours; `since`: when it was replaced, null for what is newest
    const rows = await world.db.rows<OlderRow>(sql`
      with names as (
        select distinct name from object_version
        where container_id = ${container.id} and ${after === undefined ? sql`name >= ${from}` : sql`name > ${after}`}
          ${below === undefined ? sql`` : sql`and name < ${below}`}
        order by name limit ${batch}
      )
      select v.name, v.version, v.size, v.tags, v.storage_class, v.extents, v.lock, v.delete_marker,
        coalesce(lag(v.modified_at) over newest_first, o.modified_at) as since,
        row_number() over newest_first - case when o.name is null then 2 else 1 end as older_rank,
        o.name is null and count(*) over (partition by v.name) = 1 as alone
      from names join object_version v on v.container_id = ${container.id} and v.name = names.name
      left join object o on o.container_id = v.container_id and o.name = v.name
      window newest_first as (partition by v.name order by v.version desc)
      order by v.name, v.version desc`)
    for (const row of rows) await judgeOlder(world, container, rules, row, now, done)
    const last = rows.at(-1)
    if (!last || new Set(rows.map(({ name }) => name)).size < batch) return
    after = last.name
  }
}

async function judgeOlder(
  world: World,
  container: Container,
  rules: readonly LifecycleRule[],
  row: OlderRow,
  now: Date,
  done: Done,
): Promise<void> {
  const version = Number(row.version)
  const remove = async () => {
    try {
      if (await world.db.transaction((tx) => removeVersion(tx, container.id, row.name, version))) done.expired++
    } catch (error) {
      if (!(error instanceof Fault)) throw error // a Fault: it is locked
    }
  }
  if (row.since === null) {
    const sweeps = rules.some(({ expireMarkers, filter }) => expireMarkers && row.name.startsWith(filter.prefix ?? ''))
    if (row.delete_marker && row.alone && sweeps) await remove()
    return
  }
  const verdict = verdictOnOlder(rules, { ...candidateOf(row), newerOlder: Number(row.older_rank) }, now)
  if (verdict?.kind === 'expire') await remove()
  else if (verdict && !row.delete_marker) {
    const object = { containerId: container.id, name: row.name, version, extents: row.extents }
    done.moved += Number(await moveToClass(world, object, 'object_version', verdict.storageClass))
  }
}

async function abortUploads(
  world: World,
  container: Container,
  rules: readonly LifecycleRule[],
  now: Date,
): Promise<number> {
  const rows = await world.db.rows<{ id: string; name: string; created_at: Date | string }>(
    sql`select id, name, created_at from object_upload where container_id = ${container.id}`,
  )
  let ended = 0
  for (const { id, name, created_at } of rows) {
    const due = rules.some(
      ({ filter, abortUploadsAfterDays: days }) =>
        name.startsWith(filter.prefix ?? '') && dueAt(new Date(created_at), { days: days! }) <= now,
    )
    if (!due) continue
    await world.db.transaction(async (tx) => {
      if (!(await takeUpload(tx, id))) return
      await endUpload(tx, id, new Set())
      ended++
    })
  }
  return ended
}
