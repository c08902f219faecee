// Claims that outlived their servers: a worker that was taken for dead may have placed a server behind its deletion.
import { type Database, sql } from '#lib/db.ts'
import { claimants, release } from '#placement'

/** Gives back what is claimed since that long for servers that are not there any more; returns their ids. */
export async function releaseOrphans(db: Database, region: string, olderThanMs = 60_000): Promise<string[]> {
  const ids = await claimants(db, region, olderThanMs)
  if (ids.length === 0) return []
  return db.transaction(async (tx) => {
    const rows = await tx.rows<{ id: string }>(sql`
      select c.id from jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb) as c (id)
      where not exists (select 1 from server s where s.id = c.id::uuid and s.region = ${region} and s.state <> 'deleted')
      order by c.id`)
    const orphans = rows.map(({ id }) => id)
    await release(tx, ...orphans)
    return orphans
  })
}
