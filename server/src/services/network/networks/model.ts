import { and, type Db, eq, inArray, or, type SQL, sql } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import type { Asker } from '../at.ts'
import { type Network, network, type Subnet, subnet } from '../model.ts'

/** Networks of the project, and those that others share with it. External ones only where `external` is asked for. */
export function networksOf(projectId: string, external: boolean): SQL {
  const shared = sql`(${network.shared} or exists (select 1 from rbac_policy r where r.object_id = ${network.id}
    and r.target_project = ${projectId} and r.action = 'access_as_shared'))`
  const reachable = sql`exists (select 1 from rbac_policy r where r.object_id = ${network.id}
    and r.target_project in (${projectId}, '*') and r.action = 'access_as_external')`
  return or(eq(network.projectId, projectId), shared, external ? reachable : undefined)!
}

export async function findNetwork(db: Db, region: string, id: string): Promise<Network | undefined> {
  const [found] = await db
    .select()
    .from(network)
    .where(and(eq(network.region, region), eq(network.id, id)))
  return found
}

/** A network that the asker may know of: their own, a shared or an external one. Throws notFound. */
export async function getNetwork(db: Db, region: string, id: string, asker: Asker): Promise<Network> {
  const [found] = await db
    .select()
    .from(network)
    .where(
      and(
        eq(network.region, region),
        eq(network.id, id),
        asker.isAdmin ? undefined : networksOf(asker.projectId, true),
      ),
    )
  return found ?? notFound('Network', id)
}

/** Which of these networks are shared with the project by name (and not with everybody). */
export async function sharedWith(db: Db, projectId: string, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await db.rows<{ id: string }>(
    sql`select object_id as id from rbac_policy where object_id in ${ids} and target_project = ${projectId}
      and action = 'access_as_shared'`,
  )
  return new Set(rows.map(({ id }) => id))
}

/** Whether the project may use the network though it is another's. */
export async function isSharedWith(db: Db, on: Network, projectId: string): Promise<boolean> {
  if (on.shared || on.projectId === projectId) return on.shared
  return (await sharedWith(db, projectId, [on.id])).size > 0
}

/** Oldest first. */
export async function subnetsOf(db: Db, networkIds: readonly string[]): Promise<Subnet[]> {
  if (networkIds.length === 0) return []
  return db
    .select()
    .from(subnet)
    .where(inArray(subnet.networkId, [...networkIds]))
    .orderBy(subnet.id)
}
