import { and, type Db, eq, sql, type Tx } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import { securityGroup, securityGroupRule } from '../model.ts'

export async function findDefaultGroup(db: Db, region: string, projectId: string): Promise<string | undefined> {
  const [found] = await db
    .select({ id: securityGroup.id })
    .from(securityGroup)
    .where(
      and(eq(securityGroup.region, region), eq(securityGroup.projectId, projectId), eq(securityGroup.isDefault, true)),
    )
  return found?.id
}

/**
 * The id of the project's group `default`, made when it is first needed: all may leave, and members may reach each
 * other. Of two that make it at once one waits for the other.
 */
export async function ensureDefaultGroup(tx: Tx, region: string, projectId: string): Promise<string> {
  const found = await findDefaultGroup(tx, region, projectId)
  if (found !== undefined) return found
  const [made] = await tx
    .insert(securityGroup)
    .values({
      id: newId(),
      region,
      projectId,
      name: 'default',
      description: 'Default security group',
      isDefault: true,
    })
    .onConflictDoNothing({ target: [securityGroup.region, securityGroup.projectId], where: sql`is_default` })
    .returning({ id: securityGroup.id })
  if (!made) return ensureDefaultGroup(tx, region, projectId)
  await insertEgressRules(tx, { id: made.id, region, projectId })
  await tx.insert(securityGroupRule).values(
    (['IPv4', 'IPv6'] as const).map((etherType) => ({
      id: newId(),
      region,
      projectId,
      groupId: made.id,
      direction: 'ingress' as const,
      etherType,
      remoteGroupId: made.id,
    })),
  )
  return made.id
}

/** What every new group has: all traffic may leave. */
export async function insertEgressRules(
  tx: Tx,
  { id, region, projectId }: { id: string; region: string; projectId: string },
): Promise<void> {
  await tx.insert(securityGroupRule).values(
    (['IPv4', 'IPv6'] as const).map((etherType) => ({
      id: newId(),
      region,
      projectId,
      groupId: id,
      direction: 'egress' as const,
      etherType,
    })),
  )
}
