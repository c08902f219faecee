import { type Db, sql } from '#lib/db.ts'
import { uuids } from '../model.ts'

/** What a consumer holds of one provider, with all that the API tells of both. */
export interface Held {
  consumerId: string
  projectId: string
  userId: string
  type: string | null
  consumerGeneration: number
  providerId: string
  providerGeneration: number
  resources: Record<string, number>
  since: Date
}

/** By consumer or by provider. */
export async function listAllocations(
  db: Db,
  region: string,
  of: { consumerIds: readonly string[] } | { providerId: string },
): Promise<Held[]> {
  const which =
    'consumerIds' in of
      ? sql`a.consumer_id = any(${uuids(of.consumerIds)}::uuid[])`
      : sql`a.provider_id = ${of.providerId}`
  const rows = await db.rows<{
    consumer_id: string
    project_id: string
    user_id: string
    type: string | null
    consumer_generation: number
    provider_id: string
    provider_generation: number
    resources: Record<string, number>
    since: string
  }>(sql`
    select c.id as consumer_id, c.project_id, c.user_id, c.type, c.generation as consumer_generation,
      p.id as provider_id, p.generation as provider_generation,
      jsonb_object_agg(a.resource_class, a.used) as resources, c.created_at::text as since
    from allocation a
    join consumer c on c.id = a.consumer_id
    join resource_provider p on p.id = a.provider_id and p.region = ${region}
    where ${which}
    group by c.id, p.id order by c.id, p.id`)
  return rows.map((row) => ({
    consumerId: row.consumer_id,
    projectId: row.project_id,
    userId: row.user_id,
    type: row.type,
    consumerGeneration: row.consumer_generation,
    providerId: row.provider_id,
    providerGeneration: row.provider_generation,
    resources: row.resources,
    since: new Date(row.since),
  }))
}
