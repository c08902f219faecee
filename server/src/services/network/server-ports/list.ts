import { type Db, sql } from '#lib/db.ts'
import type { Subnet } from '../model.ts'
import { subnetsOf } from '../networks/model.ts'

export interface ServerAddress {
  address: string
  version: 4 | 6
  subnetId: string
  floatingIps: string[]
}
/** One NIC of a server, as compute, its address view and its guest's metadata need it. */
export interface ServerPort {
  id: string
  serverId: string
  projectId: string
  networkId: string
  networkName: string
  mac: string
  mtu: number
  addresses: ServerAddress[]
  /** All subnets of the network, shared between the ports of one answer. */
  subnets: readonly Subnet[]
  securityGroupIds: string[]
  host: string
  /** Connected and filtered on its host. */
  up: boolean
  adminUp: boolean
  vnicType: string
  tag: string | null
  /** Made for the server and goes with it. */
  made: boolean
}

interface Row {
  id: string
  device_id: string
  project_id: string
  network_id: string
  network_name: string
  mac: string
  mtu: number
  security_group_ids: string[]
  host: string
  wired: boolean
  admin_up: boolean
  vnic_type: string
  device_tag: string | null
  made_for_server: boolean
  subnet_id: string | null
  address: string | null
  floating: string | null
}

/** The NICs of these servers in their order; two queries, whatever the number of servers. */
export async function serverPorts(db: Db, serverIds: readonly string[]): Promise<Map<string, ServerPort[]>> {
  const found = new Map<string, ServerPort[]>(serverIds.map((id) => [id, []]))
  if (serverIds.length === 0) return found
  const rows = await db.rows<Row>(sql`
    select p.id, p.device_id, p.project_id, p.network_id, n.name as network_name, p.mac, n.mtu, p.security_group_ids,
      p.host, p.wired, p.admin_up, p.vnic_type, p.device_tag, p.made_for_server, a.subnet_id,
      host(a.address) as address, host(f.address) as floating
    from port p
      join network n on n.id = p.network_id
      left join ip_allocation a on a.port_id = p.id
      left join floating_ip f on f.port_id = p.id and f.fixed_address = a.address
    where p.device_id in ${[...serverIds]} and p.attached
    order by p.device_id, p.device_place, p.id, a.n, a.address`)
  const networkIds = [...new Set(rows.map((row) => row.network_id))]
  const subnets = Map.groupBy(await subnetsOf(db, networkIds), (each) => each.networkId)
  let last: ServerPort | undefined
  for (const row of rows) {
    if (last?.id !== row.id) {
      last = {
        id: row.id,
        serverId: row.device_id,
        projectId: row.project_id,
        networkId: row.network_id,
        networkName: row.network_name,
        mac: row.mac,
        mtu: row.mtu,
        addresses: [],
        subnets: subnets.get(row.network_id) ?? [],
        securityGroupIds: row.security_group_ids,
        host: row.host,
        up: row.wired,
        adminUp: row.admin_up,
        vnicType: row.vnic_type,
        tag: row.device_tag,
        made: row.made_for_server,
      }
      found.get(row.device_id)?.push(last)
    }
    if (row.address === null || row.subnet_id === null) continue
    const known = last.addresses.at(-1)
    const address =
      known?.address === row.address && known.subnetId === row.subnet_id
        ? known
        : {
            address: row.address,
            version: row.address.includes(':') ? (6 as const) : (4 as const),
            subnetId: row.subnet_id,
            floatingIps: [],
          }
    if (address !== known) last.addresses.push(address)
    if (row.floating !== null) address.floatingIps.push(row.floating)
  }
  return found
}

/** The ports of one server. */
export async function portsOfServer(db: Db, serverId: string): Promise<ServerPort[]> {
  return (await serverPorts(db, [serverId])).get(serverId) ?? []
}
