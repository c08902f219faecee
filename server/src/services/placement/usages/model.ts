import { type Db, sql } from '#lib/db.ts'

/** What has been given away, for each class that the provider has. */
export async function listProviderUse(db: Db, providerId: string): Promise<Record<string, number>> {
  const rows = await db.rows<{ resource_class: string; used: number }>(
    sql`select resource_class, used::float8 as used from inventory where provider_id = ${providerId} order by resource_class`,
  )
  return Object.fromEntries(rows.map(({ resource_class: name, used }) => [name, used]))
}

export interface Use {
  consumers: number
  resources: Record<string, number>
}

/** What a project holds, by type of consumer ('unknown' for those of none) and, under 'all', together. */
export async function listProjectUse(
  db: Db,
  region: string,
  of: { projectId: string; userId: string | undefined; type: string | undefined },
): Promise<Map<string, Use>> {
  const one = of.type === undefined || of.type === 'all' ? undefined : of.type
  const rows = await db.rows<{ type: string; resource_class: string | null; used: number; consumers: number }>(sql`
    select case when grouping(c.type) = 1 then 'all' else coalesce(c.type, 'unknown') end as type,
      a.resource_class, sum(a.used)::float8 as used, count(distinct c.id)::int as consumers
    from consumer c join allocation a on a.consumer_id = c.id
    where c.region = ${region} and c.project_id = ${of.projectId}
      and (${of.userId ?? null}::text is null or c.user_id = ${of.userId ?? null})
      and (${one ?? null}::text is null or coalesce(c.type, 'unknown') = ${one ?? null})
    group by grouping sets ((c.type, a.resource_class), (c.type), (a.resource_class), ())`)
  const use = new Map<string, Use>()
  for (const { type, resource_class: name, used, consumers } of rows) {
    const entry = use.get(type) ?? { consumers: 0, resources: {} }
    if (name === null) entry.consumers = consumers
    else entry.resources[name] = used
    if (consumers > 0) use.set(type, entry)
  }
  return use
}
