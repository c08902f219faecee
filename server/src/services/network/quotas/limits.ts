import { type Db, type SQL, sql } from '#lib/db.ts'
import type { QuotaResources, Scope } from '#lib/quota.ts'

const counted =
  (from: SQL) =>
  async (db: Db, { region, projectId }: Scope): Promise<number> => {
    const [row] = await db.rows<{ n: number }>(
      sql`select count(*)::int as n from ${from} where region = ${region} and project_id = ${projectId}`,
    )
    return row?.n ?? 0
  }

/** Neutron's resources and defaults; -1 is no limit. */
export const networkQuotas: QuotaResources = {
  network: { default: 100, used: counted(sql`network`) },
  subnet: { default: 100, used: counted(sql`subnet`) },
  subnetpool: { default: -1, used: counted(sql`subnet_pool`) },
  port: { default: 500, used: counted(sql`port`) },
  router: { default: 10, used: counted(sql`router`) },
  floatingip: { default: 50, used: counted(sql`floating_ip`) },
  security_group: { default: 10, used: counted(sql`security_group`) },
  security_group_rule: { default: 100, used: counted(sql`security_group_rule`) },
  rbac_policy: { default: 10, used: counted(sql`rbac_policy`) },
}
