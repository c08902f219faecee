// OS-ENDPOINT-POLICY: which policy an endpoint should use. Said for the endpoint itself, for its service in a region or in
// one that the region lies in, or for its service anywhere; the nearest counts.
import { and, type Db, eq, inArray, pgTable, text, type Tx } from '#lib/db.ts'
import type { Endpoint } from '../model.ts'
import { endpoint } from '../model.ts'
import { listRegions } from '../regions/model.ts'

// '' stands for what an association does not name: the three are the key
const policyAssociation = pgTable('policy_association', {
  policyId: text('policy_id').notNull(),
  endpointId: text('endpoint_id').notNull(),
  serviceId: text('service_id').notNull(),
  regionId: text('region_id').notNull(),
})
export interface PolicyTarget {
  endpointId?: string | undefined
  serviceId?: string | undefined
  regionId?: string | undefined
}
const keyOf = ({ endpointId = '', serviceId = '', regionId = '' }: PolicyTarget) => ({
  endpointId,
  serviceId,
  regionId,
})
const isTarget = (target: PolicyTarget) => {
  const { endpointId, serviceId, regionId } = keyOf(target)
  return and(
    eq(policyAssociation.endpointId, endpointId),
    eq(policyAssociation.serviceId, serviceId),
    eq(policyAssociation.regionId, regionId),
  )
}

/** From now on this policy is the one of the target, whichever was before. */
export async function associatePolicy(tx: Tx, policyId: string, target: PolicyTarget): Promise<void> {
  await tx
    .insert(policyAssociation)
    .values({ policyId, ...keyOf(target) })
    .onConflictDoUpdate({
      target: [policyAssociation.endpointId, policyAssociation.serviceId, policyAssociation.regionId],
      set: { policyId },
    })
}
export async function isAssociated(db: Db, policyId: string, target: PolicyTarget): Promise<boolean> {
  const rows = await db
    .select({ policyId: policyAssociation.policyId })
    .from(policyAssociation)
    .where(and(isTarget(target), eq(policyAssociation.policyId, policyId)))
  return rows.length > 0
}
/** False when there was none. */
export async function dissociatePolicy(tx: Tx, policyId: string, target: PolicyTarget): Promise<boolean> {
  const gone = await tx
    .delete(policyAssociation)
    .where(and(isTarget(target), eq(policyAssociation.policyId, policyId)))
    .returning()
  return gone.length > 0
}

/** The id of the policy that counts for an endpoint. */
export async function policyOfEndpoint(db: Db, of: Endpoint): Promise<string | undefined> {
  const rows = await db
    .select()
    .from(policyAssociation)
    .where(
      inArray(
        policyAssociation.endpointId,
        ['', of.id], // those of its service are among the former
      ),
    )
  const found = (target: PolicyTarget) => {
    const key = keyOf(target)
    return rows.find(
      (row) => row.endpointId === key.endpointId && row.serviceId === key.serviceId && row.regionId === key.regionId,
    )?.policyId
  }
  const own = found({ endpointId: of.id })
  if (own !== undefined) return own
  const parents = new Map((await listRegions(db, undefined)).map(({ id, parentRegionId }) => [id, parentRegionId]))
  for (let regionId = of.regionId; regionId; regionId = parents.get(regionId) ?? null) {
    const near = found({ serviceId: of.serviceId, regionId })
    if (near !== undefined) return near
  }
  return found({ serviceId: of.serviceId })
}

/** The endpoints for which this policy is the one that counts. */
export async function endpointsOfPolicy(db: Db, policyId: string): Promise<Endpoint[]> {
  const targets = await db.select().from(policyAssociation).where(eq(policyAssociation.policyId, policyId))
  if (targets.length === 0) return []
  const all = await db.select().from(endpoint).orderBy(endpoint.createdAt, endpoint.id)
  const near = all.filter((each) =>
    targets.some(({ endpointId, serviceId }) => endpointId === each.id || serviceId === each.serviceId),
  )
  const counts = await Promise.all(near.map((each) => policyOfEndpoint(db, each)))
  return near.filter((_, i) => counts[i] === policyId)
}
