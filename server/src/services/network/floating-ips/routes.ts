import { type Static, Type } from 'typebox'
import { and, eq, inArray, sql } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { requireQuota } from '#lib/quota.ts'
import { view } from '#lib/view.ts'
import { canonical } from '../addresses.ts'
import { floatingIp, type FloatingIp, network, port, type PortRow, subnet } from '../model.ts'
import { getNetwork, networksOf } from '../networks/model.ts'
import { aboutProject, requireMembers } from '../policy.ts'
import { readDnsName } from '../ports/rules.ts'
import { asked, askerOf, ownerOf, requireRevision } from '../rest/body.ts'
import { Description, Dns, Id, nullable, owner, ownerShown, standard } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { oneOrMany, only } from '../rest/schema.ts'
import {
  createFloatingIp,
  deleteFloatingIp,
  type FloatingIpChange,
  type NewFloatingIp,
  updateFloatingIp,
} from './change.ts'

const Address = nullable(Type.String({ maxLength: 64 }))
const common = {
  port_id: Type.Optional(nullable(Id)),
  fixed_ip_address: Type.Optional(Address),
  description: Type.Optional(Description),
  qos_policy_id: Type.Optional(Type.Null()),
}
const FloatingIpCreate = strict({
  ...common,
  ...owner,
  floating_network_id: Id,
  floating_ip_address: Type.Optional(Address),
  subnet_id: Type.Optional(nullable(Id)),
  dns_name: Type.Optional(Dns),
  dns_domain: Type.Optional(Dns),
})
type FloatingIpCreate = Static<typeof FloatingIpCreate>
const FloatingIpUpdate = strict(common)

interface ShownFloatingIp extends FloatingIp {
  port: PortRow | undefined
}
const floatingIpView = view<ShownFloatingIp>(['floatingip', 'floatingips'], {
  id: (f) => f.id,
  ...ownerShown,
  floating_network_id: (f) => f.networkId,
  floating_ip_address: (f) => f.address,
  fixed_ip_address: (f) => f.fixedAddress,
  port_id: (f) => f.portId,
  router_id: (f) => f.routerId,
  status: (f) => f.status,
  port_details: ({ port: at }) =>
    at === undefined
      ? null
      : {
          name: at.name,
          network_id: at.networkId,
          mac_address: at.mac,
          admin_state_up: at.adminUp,
          status: at.wired && at.adminUp ? 'ACTIVE' : 'DOWN',
          device_id: at.deviceId,
          device_owner: at.deviceOwner,
        },
  dns_name: (f) => f.dnsName,
  dns_domain: (f) => f.dnsDomain,
  ...standard,
})

const floatingIpFilters: Filters = {
  ...standardFilters(floatingIp),
  floating_network_id: floatingIp.networkId,
  floating_ip_address: floatingIp.address,
  fixed_ip_address: floatingIp.fixedAddress,
  port_id: floatingIp.portId,
  router_id: floatingIp.routerId,
  status: floatingIp.status,
  dns_name: floatingIp.dnsName,
  dns_domain: floatingIp.dnsDomain,
}

async function target(req: Request): Promise<FloatingIp> {
  const id = req.params['id']!
  const { isAdmin, projectId } = askerOf(req)
  const [found] = await req.db
    .select()
    .from(floatingIp)
    .where(
      and(
        eq(floatingIp.region, req.region),
        eq(floatingIp.id, id),
        isAdmin ? undefined : eq(floatingIp.projectId, projectId),
      ),
    )
  return found ?? notFound('Floating IP', id)
}

async function shown(req: Request, rows: readonly FloatingIp[]): Promise<ShownFloatingIp[]> {
  const ids = rows.flatMap(({ portId }) => portId ?? [])
  const ports = ids.length === 0 ? [] : await req.db.select().from(port).where(inArray(port.id, ids))
  return rows.map((row) => Object.assign(row, { port: ports.find(({ id }) => id === row.portId) }))
}

function targetOf(body: Static<typeof FloatingIpUpdate>): NewFloatingIp['target'] | null {
  const { port_id: portId, fixed_ip_address: fixed } = body
  if (portId == null && fixed != null)
    invalid('Bad floatingip request: fixed_ip_address cannot be specified without a port_id.', { code: 'BadRequest' })
  if (portId === undefined) return undefined
  if (portId === null) return null
  const fixedAddress = fixed == null ? undefined : canonical(fixed)
  if (fixed != null && fixedAddress === undefined)
    invalid(`'${fixed}' is not a valid IP address.`, { code: 'InvalidInput' })
  return { portId, fixedAddress }
}

async function newFloatingIp(req: Request, body: FloatingIpCreate): Promise<NewFloatingIp> {
  const projectId = ownerOf(req, body)
  requireMembers(req, 'create_floatingip', body, aboutProject(projectId))
  const on = await getNetwork(req.db, req.region, body.floating_network_id, askerOf(req))
  const address = body.floating_ip_address == null ? undefined : canonical(body.floating_ip_address)
  if (body.floating_ip_address != null && address === undefined)
    invalid(`'${body.floating_ip_address}' is not a valid IP address.`, { code: 'InvalidInput' })
  return {
    projectId,
    networkId: on.id,
    subnetId: body.subnet_id ?? undefined,
    address,
    target: targetOf(body) ?? undefined,
    description: body.description ?? '',
    dnsName: readDnsName(body.dns_name ?? ''),
    dnsDomain: body.dns_domain ?? '',
  }
}

export const floatingIpRoutes = [
  route({
    method: 'GET',
    path: '/floatingips',
    policy: 'get_floatingip',
    async handle(req) {
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${floatingIp.region} = ${req.region} and ${
        isAdmin ? sql`true` : sql`${floatingIp.projectId} = ${projectId}`
      }`
      const { rows, links } = await listRows(req, floatingIp, floatingIpFilters, where)
      const all = await shown(req, rows)
      return {
        floatingips: all.map((row) => pick(req.query, floatingIpView.item(row, req.view))),
        ...(links && { floatingips_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/floatingips',
    policy: 'create_floatingip',
    body: oneOrMany('floatingip', 'floatingips', FloatingIpCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<FloatingIpCreate>(req.body, 'floatingip', 'floatingips')
      const specs: NewFloatingIp[] = []
      for (const item of items) specs.push(await newFloatingIp(req, item))
      const rows = await req.db.transaction(async (tx) => {
        for (const [projectId, all] of Map.groupBy(specs, (each) => each.projectId))
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, { floatingip: all.length })
        const made: FloatingIp[] = []
        for (const spec of specs) made.push(await createFloatingIp(tx, req, spec, askerOf(req)))
        return made
      })
      const all = await shown(req, rows)
      return bulk ? floatingIpView.list(all, req.view) : floatingIpView.show(all[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/floatingips/:id',
    policy: 'get_floatingip',
    target,
    async handle(req, found) {
      const [row] = await shown(req, [found])
      return { floatingip: pick(req.query, floatingIpView.item(row!, req.view)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/floatingips/:id',
    policy: 'update_floatingip',
    body: only('floatingip', FloatingIpUpdate),
    target,
    async handle(req, found) {
      requireRevision(req, found)
      const { description } = req.body.floatingip
      const change: FloatingIpChange = {
        ...(description !== undefined && { description }),
        target: targetOf(req.body.floatingip),
      }
      const after = await req.db.transaction((tx) => updateFloatingIp(tx, req, found.id, change, askerOf(req)))
      const [row] = await shown(req, [after])
      return floatingIpView.show(row!, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/floatingips/:id',
    policy: 'delete_floatingip',
    target,
    async handle(req, found) {
      requireRevision(req, found)
      await req.db.transaction((tx) => deleteFloatingIp(tx, req, found.id, askerOf(req)))
      return reply({ status: 204 })
    },
  }),
  ...['floatingip_pools', 'floatingip-pools'].map((word) =>
    route({
      method: 'GET',
      path: `/${word}`,
      policy: 'get_floatingip_pool',
      async handle(req) {
        const { projectId, isAdmin } = askerOf(req)
        const rows = await req.db
          .select({ id: subnet.id, name: subnet.name, cidr: subnet.cidr, networkId: subnet.networkId })
          .from(subnet)
          .innerJoin(network, eq(network.id, subnet.networkId))
          .where(
            and(
              eq(subnet.region, req.region),
              eq(subnet.ipVersion, 4),
              eq(network.external, true),
              isAdmin ? undefined : networksOf(projectId, true),
            ),
          )
          .orderBy(subnet.id)
        return {
          floatingip_pools: rows.map((row) =>
            pick(req.query, {
              subnet_id: row.id,
              subnet_name: row.name,
              tenant_id: projectId,
              network_id: row.networkId,
              cidr: row.cidr,
            }),
          ),
        }
      },
    }),
  ),
]
