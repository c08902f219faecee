import { and, type Db, eq, inArray, or, type SQL, sql } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import type { Asker } from '../at.ts'
import { securityGroup, type SecurityGroup, securityGroupRule, type SecurityGroupRule } from '../model.ts'
import { granted } from '../rbac/model.ts'

/** The project's own groups and those shared with it. */
export function groupsFor(projectId: string): SQL {
  return or(eq(securityGroup.projectId, projectId), granted(securityGroup.id, projectId))!
}

/** Throws notFound. */
export async function getGroup(db: Db, region: string, id: string, asker: Asker): Promise<SecurityGroup> {
  const [found] = await db
    .select()
    .from(securityGroup)
    .where(
      and(
        eq(securityGroup.region, region),
        eq(securityGroup.id, id),
        asker.isAdmin ? undefined : groupsFor(asker.projectId),
      ),
    )
  return found ?? notFound('Security Group', id)
}

/**
 * Ids of groups for a port: all of them there, and the project's own or shared with it. The rows are held until the
 * transaction ends, so that none of them goes meanwhile. Throws notFound.
 */
export async function requireGroups(
  db: Db,
  region: string,
  ids: readonly string[],
  projectId: string,
): Promise<string[]> {
  const wanted = [...new Set(ids.map((id) => id.toLowerCase()))]
  if (wanted.length === 0) return []
  const rows = await db.rows<{ id: string }>(sql`
    select id from security_group where region = ${region} and id in ${wanted}
      and (project_id = ${projectId} or ${granted(sql`security_group.id`, projectId)})
    for key share`)
  for (const id of wanted) if (!rows.some((row) => row.id === id)) notFound('Security Group', id)
  return wanted
}

export async function rulesOf(db: Db, groupIds: readonly string[]): Promise<Map<string, SecurityGroupRule[]>> {
  if (groupIds.length === 0) return new Map()
  const rows = await db
    .select()
    .from(securityGroupRule)
    .where(inArray(securityGroupRule.groupId, [...groupIds]))
    .orderBy(securityGroupRule.id)
  return Map.groupBy(rows, ({ groupId }) => groupId)
}
