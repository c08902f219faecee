import { and, count, type Db, eq, inArray, integer, isNull, pgTable, text, timestamp, type Tx, uuid } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { server } from '../servers/model.ts'

export const groupPolicies = ['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'] as const

export const serverGroup = pgTable('server_group', {
  id: uuid().primaryKey(),
  region: text().notNull(),
  projectId: text('project_id').notNull(),
  userId: text('user_id').notNull(),
  name: text().notNull(),
  policy: text({ enum: groupPolicies }).notNull(),
  maxServerPerHost: integer('max_server_per_host').notNull().default(1),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type ServerGroup = typeof serverGroup.$inferSelect
export type NewServerGroup = Omit<ServerGroup, 'id' | 'createdAt'>

export async function findGroup(db: Db, region: string, id: string): Promise<ServerGroup | undefined> {
  const [found] = await db
    .select()
    .from(serverGroup)
    .where(and(eq(serverGroup.id, id), eq(serverGroup.region, region)))
  return found
}
export async function getGroup(db: Db, region: string, id: string): Promise<ServerGroup> {
  return (await findGroup(db, region, id)) ?? notFound('Instance group', id)
}
export async function insertGroup(tx: Tx, spec: NewServerGroup): Promise<ServerGroup> {
  const [row] = await tx
    .insert(serverGroup)
    .values({ ...spec, id: newId() })
    .returning()
  return row!
}
/** The members stay; they are in no group then. */
export async function deleteGroup(tx: Tx, id: string): Promise<void> {
  await tx.update(server).set({ groupId: null }).where(eq(server.groupId, id))
  await tx.delete(serverGroup).where(eq(serverGroup.id, id))
}

export interface GroupMember {
  id: string
  host: string | null
  userId: string
}
/** The living servers of these groups. */
export async function membersOf(db: Db, groupIds: readonly string[]): Promise<Map<string, GroupMember[]>> {
  if (groupIds.length === 0) return new Map()
  const rows = await db
    .select({ id: server.id, host: server.host, userId: server.userId, groupId: server.groupId })
    .from(server)
    .where(and(inArray(server.groupId, [...groupIds]), isNull(server.deletedAt)))
    .orderBy(server.id)
  return Map.groupBy(rows, (row) => row.groupId!)
}

/** Locks the group and says whether a server on that host would be against its policy. Affinity and anti-affinity only. */
export async function isAgainstPolicy(tx: Tx, groupId: string, serverId: string, host: string): Promise<boolean> {
  const [group] = await tx.select().from(serverGroup).where(eq(serverGroup.id, groupId)).for('update')
  if (!group || group.policy.startsWith('soft-')) return false
  const placed = ((await membersOf(tx, [groupId])).get(groupId) ?? []).filter(
    (member) => member.id !== serverId && member.host !== null,
  )
  const here = placed.filter((member) => member.host === host).length
  return group.policy === 'affinity' ? here < placed.length : here >= group.maxServerPerHost
}

export async function countGroups(db: Db, region: string, projectId: string): Promise<number> {
  const [row] = await db
    .select({ n: count() })
    .from(serverGroup)
    .where(and(eq(serverGroup.region, region), eq(serverGroup.projectId, projectId)))
  return row?.n ?? 0
}
