// Floating IPs as compute's older API wants them: by address, of a pool, on a server.
import { type Db, sql, type Tx } from '#lib/db.ts'
import { Fault, invalid, notFound } from '#lib/fault.ts'
import { isUuid } from '#lib/id.ts'
import { requireQuota } from '#lib/quota.ts'
import type { Asker, At } from '../at.ts'
import { createFloatingIp, updateFloatingIp } from '../floating-ips/change.ts'
import { portsOfServer } from '../server-ports/list.ts'

export interface PooledIp {
  id: string
  projectId: string
  address: string
  fixedAddress: string | null
  /** The external network's name. */
  pool: string
  serverId: string | null
}

interface Row {
  id: string
  project_id: string
  address: string
  fixed_address: string | null
  pool: string
  server_id: string | null
}

async function read(db: Db, region: string, where: ReturnType<typeof sql>): Promise<PooledIp[]> {
  const rows = await db.rows<Row>(sql`
    select f.id, f.project_id, host(f.address) as address, host(f.fixed_address) as fixed_address, n.name as pool,
      case when p.attached then p.device_id end as server_id
    from floating_ip f join network n on n.id = f.network_id left join port p on p.id = f.port_id
    where f.region = ${region} and ${where} order by f.id limit 1000`)
  return rows.map((row) => ({
    id: row.id,
    projectId: row.project_id,
    address: row.address,
    fixedAddress: row.fixed_address,
    pool: row.pool,
    serverId: row.server_id,
  }))
}

export async function projectFloatingIps(db: Db, region: string, projectId: string): Promise<PooledIp[]> {
  return read(db, region, sql`f.project_id = ${projectId}`)
}

/** By its id or its address. Throws notFound, also for another project's. */
export async function pooledIp(db: Db, region: string, idOrAddress: string, asker: Asker): Promise<PooledIp> {
  const [found] = isUuid(idOrAddress)
    ? await read(db, region, sql`f.id = ${idOrAddress}`)
    : await read(db, region, sql`host(f.address) = ${idOrAddress}`)
  if (!found || (!asker.isAdmin && found.projectId !== asker.projectId)) return notFound('Floating IP', idOrAddress)
  return found
}

/** The external networks, the default one first. */
export async function floatingPools(db: Db, region: string): Promise<{ id: string; name: string }[]> {
  return db.rows(sql`select id, name from network where region = ${region} and external
    order by is_default desc, id limit 1000`)
}

/** An address of that pool (its name or id), or of the first one. Throws notFound, overQuota, conflict. */
export async function takeFloatingIp(tx: Tx, at: At, pool: string | null, asker: Asker): Promise<PooledIp> {
  const pools = await floatingPools(tx, at.region)
  const chosen = pools.find(({ id, name }) => pool === null || pool === name || pool === id)
  if (!chosen) return notFound('Floating IP pool', pool ?? 'of any name')
  const { projectId } = asker
  await requireQuota(tx, { service: 'network', region: at.region, projectId }, { floatingip: 1 })
  const spec = {
    projectId,
    networkId: chosen.id,
    subnetId: undefined,
    address: undefined,
    target: undefined,
    description: '',
    dnsName: '',
    dnsDomain: '',
  }
  const made = await createFloatingIp(tx, at, spec, asker)
  return pooledIp(tx, at.region, made.id, asker)
}

/** Leads the address to the server. Throws notFound for an unknown one, invalid with the reason when it cannot be led there. */
export async function leadToServer(
  tx: Tx,
  at: At,
  { address, serverId, fixedAddress }: { address: string; serverId: string; fixedAddress: string | null },
  asker: Asker,
): Promise<void> {
  const found = await pooledIp(tx, at.region, address, asker)
  const fixed = (await portsOfServer(tx, serverId)).flatMap((port) =>
    port.addresses.filter(({ version }) => version === 4).map((each) => ({ portId: port.id, address: each.address })),
  )
  if (fixed.length === 0) invalid(`No fixed IPs associated to instance ${serverId}`)
  const target = fixed.find((each) => fixedAddress === null || each.address === fixedAddress)
  if (!target) return invalid('Specified fixed address not assigned to instance')
  const lead = { target: { portId: target.portId, fixedAddress: target.address } }
  await updateFloatingIp(tx, at, found.id, lead, asker).catch((error: unknown) => {
    if (error instanceof Fault)
      invalid(`Unable to associate floating IP ${address}: ${error.message}`, { cause: error })
    throw error
  })
}

/** The address leads nowhere. Throws notFound for an unknown one, conflict when it does not lead to that server. */
export async function leadAway(tx: Tx, at: At, address: string, serverId: string, asker: Asker): Promise<void> {
  const found = await pooledIp(tx, at.region, address, asker)
  if (found.serverId !== serverId)
    throw new Fault('conflict', `Floating IP ${address} is not associated with instance ${serverId}.`)
  await updateFloatingIp(tx, at, found.id, { target: null }, asker)
}
