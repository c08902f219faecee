import { and, type Db, eq, or, type SQL, sql } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import type { Asker } from '../at.ts'
import { type Subnet, subnet } from '../model.ts'
import { everyProject } from '../rbac/model.ts'

/** The project's own subnets, and those of networks that are shared with it or that it owns. */
export function subnetsFor(projectId: string): SQL {
  return or(
    eq(subnet.projectId, projectId),
    sql`exists (select 1 from rbac_policy r where r.object_id = ${subnet.networkId} and r.action = 'access_as_shared'
      and r.target_project in (${projectId}, ${everyProject}))`,
    sql`exists (select 1 from network n where n.id = ${subnet.networkId} and n.project_id = ${projectId})`,
  )!
}

export async function findSubnet(db: Db, region: string, id: string, asker: Asker): Promise<Subnet | undefined> {
  const [found] = await db
    .select()
    .from(subnet)
    .where(and(eq(subnet.region, region), eq(subnet.id, id), asker.isAdmin ? undefined : subnetsFor(asker.projectId)))
  return found
}

/** Throws notFound. */
export async function getSubnet(db: Db, region: string, id: string, asker: Asker): Promise<Subnet> {
  return (await findSubnet(db, region, id, asker)) ?? notFound('Subnet', id)
}
