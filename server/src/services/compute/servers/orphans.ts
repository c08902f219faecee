// Claims and machines that outlived their servers: a worker that was taken for dead may have placed a server, or asked for
// its machine, behind the deletion.
import { type Database, type Db, sql } from '#lib/db.ts'
import { claimants, release } from '#placement'
import type { ComputeDriver } from '../driver.ts'

/** Gives back what is claimed since that long for servers that are not there any more; returns their ids. */
export async function releaseOrphans(db: Database, region: string, olderThanMs = 60_000): Promise<string[]> {
  const ids = await claimants(db, region, olderThanMs)
  if (ids.length === 0) return []
  return db.transaction(async (tx) => {
    const orphans = await withoutServer(tx, region, ids)
    await release(tx, ...orphans)
    return orphans
  })
}

/** Removes machines that have been there for so long and whose servers are not there any more; returns their ids. */
export async function removeOrphanMachines(
  db: Database,
  driver: Pick<ComputeDriver, 'listMachines' | 'ensureNoMachine'>,
  region: string,
  signal: AbortSignal,
  olderThanMs = 60_000,
): Promise<string[]> {
  const ids = await driver.listMachines(olderThanMs)
  if (ids.length === 0) return []
  // Asked after the list: a server is there before its machine is.
  const orphans = await withoutServer(db, region, ids)
  for (const id of orphans) await driver.ensureNoMachine(id, null, signal)
  return orphans
}

async function withoutServer(db: Db, region: string, ids: readonly string[]): Promise<string[]> {
  const rows = await db.rows<{ id: string }>(sql`
    select c.id from jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb) as c (id)
    where not exists (select 1 from server s where s.id = c.id::uuid and s.region = ${region} and s.state <> 'deleted')
    order by c.id`)
  return rows.map(({ id }) => id)
}
