// Networks as compute's older API wants them: ids and names.
import { and, type Db, eq } from '#lib/db.ts'
import type { Asker } from '../at.ts'
import { network } from '../model.ts'
import { getNetwork, networksOf } from '../networks/model.ts'

export interface NamedNetwork {
  id: string
  name: string
}

/** Networks that the asker's servers can be on, and external ones; all of them for an administrator. */
export async function namedNetworks(db: Db, region: string, asker: Asker): Promise<NamedNetwork[]> {
  return db
    .select({ id: network.id, name: network.name })
    .from(network)
    .where(and(eq(network.region, region), asker.isAdmin ? undefined : networksOf(asker.projectId, true)))
    .orderBy(network.id)
    .limit(1000)
}

/** Throws notFound. */
export async function namedNetwork(db: Db, region: string, id: string, asker: Asker): Promise<NamedNetwork> {
  const found = await getNetwork(db, region, id, asker)
  return { id: found.id, name: found.name }
}
