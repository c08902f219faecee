// How much is asked of the store: requests and bytes, by project, container, operation and hour. Counted in each process and
// added to the rows every few seconds, so that a request costs no statement; what a killed process had not written yet is lost.
import { and, asc, bigint, type Db, eq, gte, lt, pgTable, primaryKey, sql, text, timestamp } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import type { Whose } from './containers.ts'

const everyMs = 5000
const hourMs = 3_600_000
const keptDays = 400

export const requestUse = pgTable(
  'object_request_use',
  {
    region: text().notNull(),
    projectId: text('project_id').notNull(),
    container: text().notNull(),
    hour: timestamp({ withTimezone: true, mode: 'date' }).notNull(),
    operation: text().notNull(),
    requests: bigint({ mode: 'number' }).notNull(),
    bytesIn: bigint('bytes_in', { mode: 'number' }).notNull(),
    bytesOut: bigint('bytes_out', { mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.region, t.projectId, t.container, t.hour, t.operation] })],
)
export type RequestUse = typeof requestUse.$inferSelect

export interface Served {
  projectId: string
  container: string
  /** As its API calls it: 'PutObject', 'swift PUT object'. */
  operation: string
  bytesIn: number
  bytesOut: number
}

interface Meter {
  counts: Map<string, RequestUse>
  timer: NodeJS.Timeout | undefined
}
const meters = new WeakMap<World['db'], Meter>()

/** Counts one request that was served. */
export function meter(world: World, { projectId, container, operation, bytesIn, bytesOut }: Served): void {
  let found = meters.get(world.db)
  if (!found) meters.set(world.db, (found = { counts: new Map(), timer: undefined }))
  const hour = Math.floor(Date.now() / hourMs) * hourMs
  const key = [projectId, container, hour, operation].join('\n')
  const count = found.counts.get(key)
  if (count) {
    count.requests++
    count.bytesIn += bytesIn
    count.bytesOut += bytesOut
  } else {
    const { region } = world.config
    found.counts.set(key, {
      region,
      projectId,
      container,
      hour: new Date(hour),
      operation,
      requests: 1,
      bytesIn,
      bytesOut,
    })
  }
  found.timer ??= setTimeout(() => {
    flushUse(world).catch((error: unknown) =>
      world.log.warn({ err: error }, 'the use of the object store is not written yet'),
    )
  }, everyMs).unref()
}

/** Writes what was counted. When that fails the counts stay, and are written with the next. */
export async function flushUse(world: World): Promise<void> {
  const found = meters.get(world.db)
  if (!found) return
  clearTimeout(found.timer)
  found.timer = undefined
  // in one order everywhere, so that two processes never wait for each other
  const rows = [...found.counts.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row)
  if (rows.length === 0) return
  const counts = found.counts
  found.counts = new Map()
  try {
    await world.db.transaction((tx) =>
      tx
        .insert(requestUse)
        .values(rows)
        .onConflictDoUpdate({
          target: [
            requestUse.region,
            requestUse.projectId,
            requestUse.container,
            requestUse.hour,
            requestUse.operation,
          ],
          set: {
            requests: sql`${requestUse.requests} + excluded.requests`,
            bytesIn: sql`${requestUse.bytesIn} + excluded.bytes_in`,
            bytesOut: sql`${requestUse.bytesOut} + excluded.bytes_out`,
          },
        }),
    )
  } catch (error) {
    for (const [key, row] of counts) {
      const since = found.counts.get(key)
      if (since) {
        since.requests += row.requests
        since.bytesIn += row.bytesIn
        since.bytesOut += row.bytesOut
      } else found.counts.set(key, row)
    }
    throw error
  }
}

/** What was asked from that hour on and before the other, in order of hours. */
export async function listRequestUse(db: Db, whose: Whose, from: Date, to: Date): Promise<RequestUse[]> {
  return db
    .select()
    .from(requestUse)
    .where(
      and(
        eq(requestUse.region, whose.region),
        eq(requestUse.projectId, whose.projectId),
        gte(requestUse.hour, from),
        lt(requestUse.hour, to),
      ),
    )
    .orderBy(asc(requestUse.hour), asc(requestUse.container), asc(requestUse.operation))
    .limit(10_000)
}

export interface Stored {
  container: string
  storageClass: string
  objects: number
  bytes: number
  olderVersions: number
  olderBytes: number
}

/** What a project holds now, by container and storage class: counted, not remembered. */
export async function inventory(db: Db, { region, projectId }: Whose): Promise<Stored[]> {
  const rows = await db.rows<Record<string, string>>(sql`
    select c.name as container, o.storage_class, count(*) filter (where not o.older) as objects,
      coalesce(sum(o.size) filter (where not o.older), 0) as bytes, count(*) filter (where o.older) as older_versions,
      coalesce(sum(o.size) filter (where o.older), 0) as older_bytes
    from object_container c join lateral (
      select storage_class, case when kind = 'slo' then 0 else size end as size, false as older
        from object where container_id = c.id
      union all
      select storage_class, case when kind = 'slo' then 0 else size end, true
        from object_version where container_id = c.id and not delete_marker
    ) o on true
    where c.region = ${region} and c.project_id = ${projectId}
    group by c.name, o.storage_class order by c.name, o.storage_class`)
  return rows.map((row) => ({
    container: row['container']!,
    storageClass: row['storage_class']!,
    objects: Number(row['objects']),
    bytes: Number(row['bytes']),
    olderVersions: Number(row['older_versions']),
    olderBytes: Number(row['older_bytes']),
  }))
}

/** Forgets what was asked long ago. */
export async function pruneUse(world: World, days = keptDays): Promise<void> {
  await world.db.transaction((tx) =>
    tx.delete(requestUse).where(lt(requestUse.hour, new Date(Date.now() - days * 24 * hourMs))),
  )
}
