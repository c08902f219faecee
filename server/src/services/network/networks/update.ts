import { and, eq, isDuplicate, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { conflict, notFound } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { hostsAround, tellHosts } from '../hosts/changed.ts'
import { type Network, network } from '../model.ts'
import { everyProject, grantToAll, requireUnusedGrant, revokeFromAll } from '../rbac/model.ts'
import { checkMtu } from './create.ts'

export type NetworkChange = Partial<
  Pick<
    Network,
    | 'name'
    | 'description'
    | 'adminUp'
    | 'shared'
    | 'external'
    | 'isDefault'
    | 'mtu'
    | 'portSecurity'
    | 'dnsDomain'
    | 'tags'
  >
>

/** Throws conflict when others still use what would no longer be shared. */
export async function updateNetwork(tx: Tx, at: At, id: string, change: NetworkChange): Promise<Network> {
  const [before] = await tx
    .select()
    .from(network)
    .where(and(eq(network.region, at.region), eq(network.id, id)))
    .for('update')
  if (!before) return notFound('Network', id)
  if (change.mtu !== undefined) change.mtu = checkMtu(before.kind, change.mtu)
  if (change.shared === false && before.shared) {
    await requireUnusedGrant(tx, before, everyProject)
    await revokeFromAll(tx, id, 'access_as_shared')
  }
  if (change.shared === true && !before.shared) await grantToAll(tx, before, 'access_as_shared')
  if (change.external === false && before.external) {
    await requireNoFloatingIps(tx, id)
    await revokeFromAll(tx, id, 'access_as_external')
  }
  if (change.external === true && !before.external) await grantToAll(tx, before, 'access_as_external')
  const [after] = await tx
    .update(network)
    .set({ ...change, revision: sql`${network.revision} + 1`, updatedAt: sql`now()` })
    .where(eq(network.id, id))
    .returning()
    .catch((error: unknown) => {
      if (isDuplicate(error, 'network_default'))
        conflict('There is a default external network already.', { code: 'DefaultExternalNetworkExists' })
      throw error
    })
  if (after!.mtu !== before.mtu || after!.dnsDomain !== before.dnsDomain)
    tellHosts(tx, at, await hostsAround(tx, at.region, [id]))
  await emit(tx, { type: 'network.updated', resourceId: id, projectId: before.projectId, region: at.region })
  return after!
}

async function requireNoFloatingIps(tx: Tx, id: string): Promise<void> {
  const rows = await tx.rows(sql`
    select 1 from floating_ip where network_id = ${id}
    union all select 1 from router where gateway_network_id = ${id} limit 1`)
  if (rows.length > 0)
    conflict(`External network ${id} cannot be updated to be made non-external, since it has existing gateway ports.`, {
      code: 'ExternalNetworkInUse',
    })
}
