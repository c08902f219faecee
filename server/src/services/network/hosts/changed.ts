// Which hosts must hear of a change. A host carries what its own ports and routers need: their networks, where the other
// ports of those networks are, and the members of the groups that their rules name.
import { type Db, sql, type Tx } from '#lib/db.ts'
import type { At } from '../at.ts'
import type { PortRow } from '../model.ts'

/** Tells the region's cloud, after the commit. */
export function tellHosts(tx: Tx, { world, region }: At, hosts: Iterable<string>): void {
  const told = [...new Set(hosts)].filter((host) => host !== '')
  if (told.length > 0) tx.afterCommit(() => world.drivers(region).network.hostsChanged(told))
}

/** Hosts with a port or a router on one of the networks, and those whose rules name one of the groups. */
export async function hostsAround(
  db: Db,
  region: string,
  networkIds: readonly string[],
  groupIds: readonly string[] = [],
): Promise<string[]> {
  if (networkIds.length === 0 && groupIds.length === 0) return []
  const rows = await db.rows<{ host: string }>(sql`
    select distinct host from port where region = ${region} and host <> '' and (
      network_id = any(${`{${networkIds.join()}}`}::uuid[])
      or security_group_ids && array(
        select group_id from security_group_rule where remote_group_id = any(${`{${groupIds.join()}}`}::uuid[])))`)
  return rows.map(({ host }) => host)
}

/** Hosts with a port that has one of these groups. */
export async function hostsOfGroups(db: Db, region: string, groupIds: readonly string[]): Promise<string[]> {
  const rows = await db.rows<{ host: string }>(sql`
    select distinct host from port where region = ${region} and host <> ''
      and security_group_ids && ${`{${groupIds.join()}}`}::uuid[]`)
  return rows.map(({ host }) => host)
}

type Seen = Pick<PortRow, 'host' | 'networkId' | 'securityGroupIds'>
/** For ports as they were and as they are: a port without a host concerns nobody. */
export async function tellAround(tx: Tx, at: At, ports: readonly Seen[]): Promise<void> {
  const bound = ports.filter(({ host }) => host !== '')
  if (bound.length === 0) return
  const networks = new Set(bound.map(({ networkId }) => networkId))
  const groups = new Set(bound.flatMap(({ securityGroupIds }) => securityGroupIds))
  const others = await hostsAround(tx, at.region, [...networks], [...groups])
  tellHosts(tx, at, [...bound.map(({ host }) => host), ...others])
}
