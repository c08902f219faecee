import { and, asc, type Db, eq, type SQL, sql } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { type Request, route } from '#lib/http/route.ts'
import { sizeOf } from '../addresses.ts'
import { network, type Network } from '../model.ts'
import { subnetsOf } from '../networks/model.ts'
import { poolsOf } from '../ports/allocate.ts'
import { type Filters, filtered, pick } from '../rest/filters.ts'

const filters: Filters = {
  network_id: network.id,
  network_name: network.name,
  project_id: network.projectId,
  tenant_id: network.projectId,
  ip_version: (values) =>
    sql`exists (select 1 from subnet s where s.network_id = ${network.id} and s.ip_version::text in ${values})`,
}

/** A pool of IPv6 has more addresses than a JavaScript number can count: written digit by digit. */
const exact = (n: bigint): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(n))

async function describe(db: Db, networks: readonly Network[], version: number | undefined) {
  const ids = networks.map(({ id }) => id)
  const all = (await subnetsOf(db, ids)).filter((each) => version === undefined || each.ipVersion === version)
  const counts =
    ids.length === 0
      ? []
      : await db.rows<{ subnet_id: string; n: number }>(
          sql`select subnet_id, count(*)::int as n from ip_allocation where network_id in ${ids} group by subnet_id`,
        )
  const used = new Map(counts.map(({ subnet_id, n }) => [subnet_id, n]))
  return networks.map(({ id, name, projectId }) => {
    const subnets = all
      .filter(({ networkId }) => networkId === id)
      .map((each) => ({ subnet: each, total: sizeOf(poolsOf(each)), used: used.get(each.id) ?? 0 }))
    return {
      network_id: id,
      network_name: name,
      tenant_id: projectId,
      project_id: projectId,
      total_ips: exact(subnets.reduce((sum, { total }) => sum + total, 0n)),
      used_ips: subnets.reduce((sum, each) => sum + each.used, 0),
      subnet_ip_availability: subnets.map(({ subnet, total, used: n }) => ({
        subnet_id: subnet.id,
        subnet_name: subnet.name,
        cidr: subnet.cidr,
        ip_version: subnet.ipVersion,
        total_ips: exact(total),
        used_ips: n,
      })),
    }
  })
}

function find(req: Request, where: SQL | undefined) {
  return req.db
    .select()
    .from(network)
    .where(and(eq(network.region, req.region), where))
    .orderBy(asc(network.id))
}

export const ipAvailabilityRoutes = [
  route({
    method: 'GET',
    path: '/network-ip-availabilities',
    policy: 'get_network_ip_availability',
    async handle(req) {
      const version = req.query['ip_version']
      const rows = await find(req, filtered(req, filters))
      const shown = await describe(req.db, rows, typeof version === 'string' ? Number(version) : undefined)
      return { network_ip_availabilities: shown.map((each) => pick(req.query, each)) }
    },
  }),
  route({
    method: 'GET',
    path: '/network-ip-availabilities/:id',
    policy: 'get_network_ip_availability',
    target: async (req) =>
      (await find(req, eq(network.id, req.params['id']!)))[0] ?? notFound('Network', req.params['id']!),
    async handle(req, found) {
      const [shown] = await describe(req.db, [found], undefined)
      return { network_ip_availability: pick(req.query, shown!) }
    },
  }),
]
