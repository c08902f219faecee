import { randomBytes } from 'node:crypto'
import { bug, conflict } from '#lib/fault.ts'
import type { Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { newId } from '#lib/id.ts'
import { type Network, type Port, port, type PortRow, type Subnet } from '../model.ts'
import { ensureDefaultGroup } from '../security-groups/default.ts'
import { type FixedIpWish, takeFixedIps } from './fixed-ips.ts'

/** What may be said of a new port; the rest has defaults. */
export interface NewPort extends Partial<
  Pick<
    PortRow,
    | 'name'
    | 'description'
    | 'adminUp'
    | 'mac'
    | 'deviceId'
    | 'deviceOwner'
    | 'portSecurity'
    | 'allowedPairs'
    | 'dhcpOptions'
    | 'dnsName'
    | 'dnsDomain'
    | 'vnicType'
    | 'profile'
    | 'host'
    | 'wired'
    | 'madeForServer'
    | 'attached'
    | 'devicePlace'
    | 'deviceTag'
    | 'tags'
  >
> {
  projectId: string
  /** Undefined: an address of each version that the network has. */
  fixedIps?: readonly FixedIpWish[] | undefined
  /** Undefined: the project's default group, where the port is secured at all. Checked by the caller. */
  securityGroupIds?: readonly string[] | undefined
}

/** Ports of the service itself (DHCP, routers): no filters and no groups. */
export function isTrusted(deviceOwner: string): boolean {
  return deviceOwner.startsWith('network:')
}

/**
 * Makes a port with its addresses. The caller has looked up quota and rights. Throws invalid and conflict.
 */
export async function createPort(
  tx: Tx,
  network: Network,
  subnets: readonly Subnet[],
  { fixedIps, securityGroupIds, mac, ...spec }: NewPort,
): Promise<Port> {
  const trusted = isTrusted(spec.deviceOwner ?? '')
  const portSecurity = !trusted && (spec.portSecurity ?? network.portSecurity)
  const { region } = network
  const groups =
    securityGroupIds ??
    (portSecurity && (fixedIps === undefined || fixedIps.length > 0 || subnets.length > 0)
      ? [await ensureDefaultGroup(tx, region, spec.projectId)]
      : [])
  let row: PortRow | undefined
  for (let attempt = 0; !row; attempt++) {
    if (attempt === 100) bug(`network ${network.id} has no MAC address left`)
    const values = {
      ...spec,
      id: newId(),
      region,
      networkId: network.id,
      mac: mac ?? randomMac(),
      portSecurity,
      securityGroupIds: [...groups],
    }
    ;[row] = await tx
      .insert(port)
      .values(values)
      .onConflictDoNothing({ target: [port.networkId, port.mac] })
      .returning()
    if (!row && mac !== undefined)
      conflict(`Unable to complete operation for network ${network.id}. The mac address ${mac} is in use.`, {
        code: 'MacAddressInUse',
      })
  }
  const taken = await takeFixedIps(tx, row, network, subnets, fixedIps)
  await emit(tx, { type: 'port.created', resourceId: row.id, projectId: row.projectId, region })
  return Object.assign(row, { fixedIps: taken })
}

/** Under Neutron's prefix fa:16:3e. */
export function randomMac(): string {
  const [a, b, c] = randomBytes(3)
  return `fa:16:3e:${[a, b, c].map((byte) => byte!.toString(16).padStart(2, '0')).join(':')}`
}
