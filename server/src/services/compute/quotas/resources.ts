// What a project may have of compute, with Nova's defaults.
import { type Db, sql } from '#lib/db.ts'
import type { QuotaResources, Scope } from '#lib/quota.ts'
import { countGroups } from '../server-groups/model.ts'

/** All three sums of a project's living servers; an index holds the numbers. */
async function serverUse(db: Db, { region, projectId }: Scope) {
  const [row] = await db.rows<{ instances: number; cores: number; ram: number }>(sql`
    select count(*)::int as instances, coalesce(sum(vcpus), 0)::int as cores, coalesce(sum(ram_mb), 0)::int as ram
    from server where region = ${region} and project_id = ${projectId} and deleted_at is null`)
  return row!
}

export const computeQuotas: QuotaResources = {
  instances: { default: 10, used: async (db, scope) => (await serverUse(db, scope)).instances },
  cores: { default: 20, used: async (db, scope) => (await serverUse(db, scope)).cores },
  ram: { default: 51_200, used: async (db, scope) => (await serverUse(db, scope)).ram },
  metadata_items: { default: 128 },
  injected_files: { default: 5 },
  injected_file_content_bytes: { default: 10_240 },
  injected_file_path_bytes: { default: 255 },
  key_pairs: { default: 100 },
  server_groups: { default: 10, used: (db, { region, projectId }) => countGroups(db, region, projectId) },
  server_group_members: { default: 10 },
}
