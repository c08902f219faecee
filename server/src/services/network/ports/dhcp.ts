// The port that a network's DHCP server and metadata service have: one for the network, the same on every host.
import { and, eq, inArray, sql, type Tx } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import type { At } from '../at.ts'
import { subnetsOf } from '../networks/model.ts'
import { dhcpOwner, network, port, type PortRow } from '../model.ts'
import { createPort } from './create.ts'
import { isAuto, takeWanted } from './fixed-ips.ts'
import { cidrOf, eui64 } from '../addresses.ts'

/**
 * Gives each of these networks its DHCP port, with an address in every subnet that has DHCP. A subnet without a free
 * address goes without: its machines are still reachable by those that know them.
 */
export async function ensureDhcpPorts(tx: Tx, at: At, networkIds: readonly string[]): Promise<void> {
  if (networkIds.length === 0) return
  const lacking = await tx.rows<{ network_id: string }>(sql`
    select distinct s.network_id from subnet s
    where s.network_id in ${[...networkIds]} and s.dhcp and not exists (
      select 1 from port p join ip_allocation a on a.port_id = p.id
      where p.network_id = s.network_id and p.device_owner = ${dhcpOwner} and a.subnet_id = s.id)`)
  for (const { network_id: networkId } of lacking) await completeDhcpPort(tx, at, networkId)
}

async function completeDhcpPort(tx: Tx, at: At, networkId: string): Promise<void> {
  // the network's row keeps two that do this at once apart
  const [on] = await tx
    .select()
    .from(network)
    .where(and(eq(network.id, networkId), eq(network.region, at.region)))
    .for('no key update')
  if (!on) return
  const subnets = (await subnetsOf(tx, [networkId])).filter((each) => each.dhcp)
  const [there] = await tx
    .select()
    .from(port)
    .where(and(eq(port.networkId, networkId), eq(port.deviceOwner, dhcpOwner)))
  const found: PortRow =
    there ??
    (await createPort(tx, on, [], {
      projectId: on.projectId,
      deviceOwner: dhcpOwner,
      deviceId: `dhcp-${networkId}`,
      fixedIps: [],
      wired: true,
    }))
  const has = await tx.rows<{ subnet_id: string }>(sql`select subnet_id from ip_allocation where port_id = ${found.id}`)
  let place = has.length
  for (const subnet of subnets) {
    if (has.some((each) => each.subnet_id === subnet.id)) continue
    const wanted = isAuto(subnet) ? { subnet, address: eui64(cidrOf(subnet.cidr), found.mac) } : { anyOf: [subnet] }
    await takeWanted(tx, found, networkId, [wanted], place++).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error
    })
  }
}

/** Whether anything of these networks is on a host, so that DHCP must be there. */
export async function carried(tx: Tx, networkIds: readonly string[]): Promise<string[]> {
  if (networkIds.length === 0) return []
  const rows = await tx
    .selectDistinct({ networkId: port.networkId })
    .from(port)
    .where(and(inArray(port.networkId, [...networkIds]), sql`${port.host} <> ''`))
  return rows.map(({ networkId }) => networkId)
}
