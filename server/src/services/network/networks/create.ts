import { and, eq, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, invalid } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { type Network, network } from '../model.ts'
import { grantToAll } from '../rbac/model.ts'

/** The largest packet that fits: VXLAN over IPv4 takes 50 bytes of Ethernet's 1500. */
const largestMtu = { vxlan: 1450, flat: 1500 } as const
export const smallestMtu = 68

export interface NewNetwork extends Partial<
  Pick<
    Network,
    | 'name'
    | 'description'
    | 'adminUp'
    | 'shared'
    | 'external'
    | 'isDefault'
    | 'portSecurity'
    | 'dnsDomain'
    | 'zoneHints'
  >
> {
  region: string
  projectId: string
  kind: 'vxlan' | 'flat'
  /** flat: the physical network that hosts reach. */
  physical?: string | undefined
  /** vxlan: a VNI of one's own choice. */
  segment?: number | undefined
  mtu?: number | undefined
}

/** Makes a network; a VXLAN without a chosen VNI gets one that nobody has. Throws invalid and conflict. */
export async function createNetwork(tx: Tx, { segment, mtu, ...spec }: NewNetwork): Promise<Network> {
  const values = {
    ...spec,
    id: newId(),
    physical: spec.physical ?? '',
    mtu: checkMtu(spec.kind, mtu),
  }
  let row: Network | undefined
  for (let attempt = 0; !row; attempt++) {
    if (attempt === 1000) bug('no VNI was free in a thousand tries')
    const vni =
      spec.kind === 'flat' ? sql`0` : segment === undefined ? sql`nextval('network_vni')::int` : sql`${segment}`
    ;[row] = await tx
      .insert(network)
      .values({ ...values, segment: vni })
      .onConflictDoNothing()
      .returning()
    if (!row && spec.isDefault && (await hasDefault(tx, spec.region)))
      conflict('There is a default external network already.', { code: 'DefaultExternalNetworkExists' })
    if (!row && spec.kind === 'flat')
      conflict(`The flat network on physical network ${spec.physical} exists already.`, { code: 'FlatNetworkInUse' })
    if (!row && segment !== undefined)
      conflict(`The VXLAN network with the segmentation ID ${segment} exists already.`, { code: 'VniInUse' })
  }
  if (row.shared) await grantToAll(tx, row, 'access_as_shared')
  if (row.external) await grantToAll(tx, row, 'access_as_external')
  await emit(tx, { type: 'network.created', resourceId: row.id, projectId: row.projectId, region: row.region })
  return row
}

export function checkMtu(kind: 'vxlan' | 'flat', mtu: number | undefined): number {
  if (mtu === undefined || mtu === 0) return largestMtu[kind]
  if (mtu < smallestMtu || mtu > largestMtu[kind])
    invalid(`Invalid MTU ${mtu}: on a ${kind} network it must be between ${smallestMtu} and ${largestMtu[kind]}.`, {
      code: 'InvalidInput',
    })
  return mtu
}

async function hasDefault(tx: Tx, region: string): Promise<boolean> {
  const rows = await tx
    .select({ id: network.id })
    .from(network)
    .where(and(eq(network.region, region), eq(network.isDefault, true)))
  return rows.length > 0
}
