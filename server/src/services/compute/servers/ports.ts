// A server's NICs, from the network service, in the form that views and specs need.
import type { Db } from '#lib/db.ts'
import { networkDataJson, securityGroupNames, type ServerPort, serverPorts } from '#network'

export interface NicAddress {
  address: string
  version: 4 | 6
  subnetId: string
}
export interface Nic {
  portId: string
  networkId: string
  networkName: string
  mac: string
  mtu: number
  up: boolean
  tag: string | null
  addresses: readonly NicAddress[]
  floating: readonly NicAddress[]
  /** Names. */
  securityGroups: readonly string[]
  port: ServerPort
}

/** The NICs of these servers; three queries, whatever their number. */
export async function nicsOf(db: Db, serverIds: readonly string[]): Promise<Map<string, Nic[]>> {
  const nics = new Map<string, Nic[]>()
  if (serverIds.length === 0) return nics
  const ports = await serverPorts(db, serverIds)
  const groupIds = new Set<string>()
  for (const all of ports.values()) for (const port of all) for (const id of port.securityGroupIds) groupIds.add(id)
  const names = await securityGroupNames(db, [...groupIds])
  for (const [serverId, all] of ports) {
    nics.set(
      serverId,
      all.map((port) => ({
        portId: port.id,
        networkId: port.networkId,
        networkName: port.networkName,
        mac: port.mac,
        mtu: port.mtu,
        up: port.up,
        tag: port.tag,
        addresses: port.addresses,
        floating: port.addresses.flatMap(({ floatingIps, subnetId }) =>
          floatingIps.map((address) => ({ address, subnetId, version: address.includes(':') ? 6 : 4 }) as const),
        ),
        securityGroups: port.securityGroupIds.map((id) => names.get(id) ?? id),
        port,
      })),
    )
  }
  return nics
}

export function networkDataOf(nics: readonly Nic[]) {
  return networkDataJson(nics.map((nic) => nic.port))
}
