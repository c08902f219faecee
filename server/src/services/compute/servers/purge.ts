// Rows of servers that were deleted long ago: kept for usage reports and history, but not for ever.
import { type Database, sql } from '#lib/db.ts'

/**
 * Removes the rows of servers that were deleted more than that many days ago, oldest first, in statements of `batch`
 * rows each; 0 days keep them for ever. Returns how many went. Processes may do it at the same time.
 */
export async function purgeServers(
  db: Database,
  region: string,
  keepDeletedDays: number,
  { now = new Date(), batch = 500 } = {},
): Promise<number> {
  if (keepDeletedDays === 0) return 0
  const before = new Date(now.getTime() - keepDeletedDays * 86_400_000).toISOString()
  for (let gone = 0; ;) {
    const rows = await db.transaction((tx) =>
      tx.rows(sql`
        delete from server where id in (
          select id from server where region = ${region} and state = 'deleted' and deleted_at < ${before}::timestamptz
          order by deleted_at limit ${batch} for update skip locked)
        returning id`),
    )
    gone += rows.length
    if (rows.length < batch) return gone
  }
}
