// Which host carries a router: one that reaches its external network, the one with the fewest routers first.
import { and, eq, inArray, sql, type Tx } from '#lib/db.ts'
import type { At } from '../at.ts'
import { tellAround } from '../hosts/changed.ts'
import { floatingIp, gatewayOwner, interfaceOwner, network, port, router, type RouterRow } from '../model.ts'

export interface RouterHost {
  host: string
  physicalNetworks: readonly string[]
}

/** The hosts that can carry routers now, as the region's cloud says; asked before a transaction begins. */
export function routerHosts({ world, region }: At): Promise<RouterHost[]> {
  return world.drivers(region).network.routerHosts()
}

/** Puts the router on a host that can carry it; it stays where it is when that one can. Its ports go with it. */
export async function placeRouter(tx: Tx, at: At, id: string, hosts: readonly RouterHost[]): Promise<void> {
  const before = await portsOfRouter(tx, id)
  await place(tx, at.region, id, hosts)
  await tellAround(tx, at, [...before, ...(await portsOfRouter(tx, id))])
}

function portsOfRouter(tx: Tx, id: string) {
  return tx
    .select()
    .from(port)
    .where(and(eq(port.deviceId, id), inArray(port.deviceOwner, [interfaceOwner, gatewayOwner])))
}

async function place(tx: Tx, region: string, id: string, hosts: readonly RouterHost[]): Promise<void> {
  const [found] = await tx.select().from(router).where(eq(router.id, id)).for('no key update')
  if (!found) return
  const ports = await portsOfRouter(tx, id)
  const host = ports.length === 0 ? '' : await choose(tx, region, found, hosts)
  if (host !== found.host) {
    await tx.update(router).set({ host }).where(eq(router.id, id))
    await tx
      .update(floatingIp)
      .set({ status: host === '' ? 'DOWN' : 'ACTIVE' })
      .where(eq(floatingIp.routerId, id))
  }
  if (ports.some((each) => each.host !== host))
    await tx
      .update(port)
      .set({ host, wired: host !== '' })
      .where(and(eq(port.deviceId, id), inArray(port.deviceOwner, [interfaceOwner, gatewayOwner])))
}

async function choose(tx: Tx, region: string, found: RouterRow, hosts: readonly RouterHost[]): Promise<string> {
  let fit = hosts
  if (found.gatewayNetworkId !== null) {
    const [external] = await tx.select().from(network).where(eq(network.id, found.gatewayNetworkId))
    if (external?.kind === 'flat')
      fit = hosts.filter(({ physicalNetworks }) => physicalNetworks.includes(external.physical))
  }
  if (fit.some(({ host }) => host === found.host)) return found.host
  // with nobody else to carry it, it stays where it was: its host may only be out of reach for a moment
  if (fit.length === 0) return hosts.some(({ host }) => host === found.host) ? '' : found.host
  const loads = await tx.rows<{ host: string; n: number }>(
    sql`select host, count(*)::int as n from router where region = ${region} and host <> '' group by host`,
  )
  const load = new Map(loads.map(({ host, n }) => [host, n]))
  let best = fit[0]!.host
  for (const { host } of fit) if ((load.get(host) ?? 0) < (load.get(best) ?? 0)) best = host
  return best
}

async function knownHosts(tx: Tx, region: string): Promise<RouterHost[]> {
  const rows = await tx.rows<{ host: string; physical_networks: string[] }>(
    sql`select host, physical_networks from network_host where region = ${region} and alive order by host`,
  )
  return rows.map((row) => ({ host: row.host, physicalNetworks: row.physical_networks }))
}

/** For a host that came: routers that no host carries. Hosts learn of it when they next ask. */
export async function placeWaitingRouters(tx: Tx, region: string): Promise<void> {
  const waiting = await tx.rows<{ id: string }>(sql`
    select r.id from router r where r.region = ${region}
      and (r.host = '' or exists (
        select 1 from network_host h where h.region = r.region and h.host = r.host and not h.alive))
      and exists (select 1 from port p where p.device_id = r.id::text)
    order by r.id for no key update`)
  if (waiting.length === 0) return
  const hosts = await knownHosts(tx, region)
  for (const { id } of waiting) await place(tx, region, id, hosts)
}

/** For a host that is gone: its routers go elsewhere, as soon as there is another host for them. */
export async function leaveHost(tx: Tx, region: string, host: string): Promise<void> {
  const hosts = (await knownHosts(tx, region)).filter((each) => each.host !== host)
  const rows = await tx
    .select({ id: router.id })
    .from(router)
    .where(and(eq(router.region, region), eq(router.host, host)))
    .orderBy(router.id)
  for (const { id } of rows) await place(tx, region, id, hosts)
}
