// Security groups of a server's ports, all of them at once.
import { and, eq, type Tx } from '#lib/db.ts'
import { Fault, invalid } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { port } from '../model.ts'
import { updatePort } from '../ports/update.ts'
import { resolveGroups } from './allocate.ts'

export interface GroupWish {
  projectId: string
  serverId: string
  /** A group's name or id. */
  group: string
}

/** The id of the group, and the server's ports, held until the transaction ends. */
async function read(tx: Tx, at: At, { projectId, serverId, group }: GroupWish) {
  const [groupId] = await resolveGroups(tx, at, { projectId, securityGroups: [group] })
  const ports = await tx
    .select()
    .from(port)
    .where(and(eq(port.region, at.region), eq(port.deviceId, serverId), port.attached))
    .orderBy(port.id)
    .for('update')
  return { groupId: groupId!, ports }
}

/**
 * The group is on each port of the server that groups can be on. Throws invalid (no such group, or no port that could
 * have it), conflict for an ambiguous name.
 */
export async function addServerGroup(tx: Tx, at: At, wish: GroupWish): Promise<void> {
  const { groupId, ports } = await read(tx, at, wish)
  const secured = ports.filter(({ portSecurity }) => portSecurity)
  if (secured.length === 0)
    invalid(`Security group ${wish.group} cannot be applied: the server has no port with port security.`)
  for (const { id, securityGroupIds } of secured)
    if (!securityGroupIds.includes(groupId))
      await updatePort(tx, at, id, { securityGroupIds: [...securityGroupIds, groupId] })
}

/** The group is on no port of the server. Throws notFound when it was on none, invalid when there is no such group. */
export async function removeServerGroup(tx: Tx, at: At, wish: GroupWish): Promise<void> {
  const { groupId, ports } = await read(tx, at, wish)
  const having = ports.filter(({ securityGroupIds }) => securityGroupIds.includes(groupId))
  if (having.length === 0)
    throw new Fault('notFound', `Security group ${wish.group} is not associated with the instance ${wish.serverId}.`)
  for (const { id, securityGroupIds } of having)
    await updatePort(tx, at, id, { securityGroupIds: securityGroupIds.filter((each) => each !== groupId) })
}
