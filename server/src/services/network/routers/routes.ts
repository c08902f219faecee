import { type Static, Type } from 'typebox'
import { inArray, sql } from '#lib/db.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { nullable, strict } from '#lib/http/schema.ts'
import { requireQuota } from '#lib/quota.ts'
import { view } from '#lib/view.ts'
import { canonical } from '../addresses.ts'
import { type FixedIp, port, router, type RouterRow } from '../model.ts'
import { getNetwork } from '../networks/model.ts'
import { aboutProject, requireMembers } from '../policy.ts'
import { withFixedIps } from '../ports/model.ts'
import { asked, askerOf, ownerOf, requireRevision } from '../rest/body.ts'
import { Bool, Description, Id, Name, owner, ownerShown, Route, standard, truth, Zones } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { oneOrMany, only } from '../rest/schema.ts'
import {
  changeRoutes,
  connectRouter,
  createRouter,
  deleteRouter,
  disconnectRouter,
  type RouterChange,
  updateRouter,
} from './change.ts'
import type { GatewayWish } from './gateway.ts'
import type { Interface } from './interfaces.ts'
import { getRouter } from './model.ts'
import { routerHosts } from './place.ts'

const FixedIpAsked = strict({
  subnet_id: Type.Optional(nullable(Id)),
  ip_address: Type.Optional(nullable(Type.String())),
})
const Gateway = nullable(
  Type.Union([
    strict({}),
    strict({
      network_id: nullable(Id),
      enable_snat: Type.Optional(Bool),
      external_fixed_ips: Type.Optional(Type.Array(FixedIpAsked, { maxItems: 64 })),
      qos_policy_id: Type.Optional(Type.Null()),
    }),
  ]),
)
const common = {
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  admin_state_up: Type.Optional(Bool),
  external_gateway_info: Type.Optional(Gateway),
}
const RouterCreate = strict({
  ...common,
  ...owner,
  availability_zone_hints: Type.Optional(Zones),
  flavor_id: Type.Optional(Type.Null()),
})
type RouterCreate = Static<typeof RouterCreate>
const RouterUpdate = strict({ ...common, routes: Type.Optional(nullable(Type.Array(Route, { maxItems: 1000 }))) })
type RouterUpdate = Static<typeof RouterUpdate>
const RoutesAsked = strict({ router: strict({ routes: Type.Array(Route, { maxItems: 1000 }) }) })
const InterfaceAsked = strict({ subnet_id: Type.Optional(Id), port_id: Type.Optional(Id) })

interface ShownRouter extends RouterRow {
  gatewayIps: FixedIp[]
}
const routerView = view<ShownRouter>(['router', 'routers'], {
  id: (r) => r.id,
  name: (r) => r.name,
  ...ownerShown,
  admin_state_up: (r) => r.adminUp,
  status: () => 'ACTIVE',
  external_gateway_info: (r) =>
    r.gatewayNetworkId === null
      ? null
      : {
          network_id: r.gatewayNetworkId,
          enable_snat: r.snat,
          external_fixed_ips: r.gatewayIps.map(({ subnetId, address }) => ({
            subnet_id: subnetId,
            ip_address: address,
          })),
        },
  routes: (r) => r.routes,
  availability_zone_hints: (r) => r.zoneHints,
  availability_zones: (r) => (r.host === '' ? [] : ['nova']),
  flavor_id: () => null,
  ...standard,
})

const routerFilters: Filters = {
  ...standardFilters(router),
  admin_state_up: router.adminUp,
  enable_snat: router.snat,
  status: (values) => (values.includes('ACTIVE') ? sql`true` : sql`false`),
}

const target = (req: Request) => getRouter(req.db, req.region, req.params['id']!, askerOf(req))

async function shown(req: Request, rows: readonly RouterRow[]): Promise<ShownRouter[]> {
  const ids = rows.flatMap(({ gatewayPortId }) => gatewayPortId ?? [])
  const ports =
    ids.length === 0 ? [] : await withFixedIps(req.db, await req.db.select().from(port).where(inArray(port.id, ids)))
  return rows.map((row) =>
    Object.assign(row, { gatewayIps: ports.find(({ id }) => id === row.gatewayPortId)?.fixedIps ?? [] }),
  )
}

function gatewayOf(
  req: Request,
  action: 'create_router' | 'update_router',
  asked: RouterUpdate['external_gateway_info'],
  projectId: string,
): GatewayWish | null | undefined {
  if (asked === undefined) return undefined
  requireMembers(req, action, { external_gateway_info: asked }, aboutProject(projectId))
  if (asked === null || !('network_id' in asked) || asked.network_id === null) return null
  const { network_id: networkId, enable_snat: snat, external_fixed_ips: fixedIps } = asked
  return {
    networkId,
    snat: snat === undefined ? undefined : truth(snat),
    fixedIps: fixedIps?.map(({ subnet_id, ip_address }) => ({
      subnetId: subnet_id ?? undefined,
      address: ip_address == null ? undefined : (canonical(ip_address) ?? ip_address),
    })),
  }
}

/** Throws notFound for an external network that the actor may not know of. */
async function requireSeen(req: Request, gateway: GatewayWish | null | undefined): Promise<void> {
  if (gateway) await getNetwork(req.db, req.region, gateway.networkId, askerOf(req))
}

function changeOf(
  req: Request,
  action: 'create_router' | 'update_router',
  body: RouterUpdate,
  projectId: string,
): RouterChange {
  const gateway = gatewayOf(req, action, body.external_gateway_info, projectId)
  return {
    ...(body.name !== undefined && { name: body.name }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.admin_state_up !== undefined && { adminUp: truth(body.admin_state_up) }),
    ...(gateway !== undefined && { gateway }),
    ...(body.routes !== undefined && { routes: body.routes ?? [] }),
  }
}

function interfaceInfo(found: RouterRow, { port: connected, subnetIds }: Interface) {
  return {
    id: found.id,
    tenant_id: found.projectId,
    project_id: found.projectId,
    port_id: connected.id,
    network_id: connected.networkId,
    subnet_id: subnetIds[0],
    subnet_ids: subnetIds,
    tags: connected.tags,
  }
}

export const routerRoutes = [
  route({
    method: 'GET',
    path: '/routers',
    policy: 'get_router',
    async handle(req) {
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${router.region} = ${req.region} and ${
        isAdmin ? sql`true` : sql`${router.projectId} = ${projectId}`
      }`
      const { rows, links } = await listRows(req, router, routerFilters, where)
      const all = await shown(req, rows)
      return {
        routers: all.map((row) => pick(req.query, routerView.item(row, req.view))),
        ...(links && { routers_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/routers',
    policy: 'create_router',
    body: oneOrMany('router', 'routers', RouterCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<RouterCreate>(req.body, 'router', 'routers')
      const specs = items.map((item) => {
        const projectId = ownerOf(req, item)
        const { routes: _, ...change } = changeOf(req, 'create_router', item, projectId)
        return { ...change, projectId, zoneHints: item.availability_zone_hints ?? [] }
      })
      for (const { gateway } of specs) await requireSeen(req, gateway)
      const hosts = specs.some(({ gateway }) => gateway) ? await routerHosts(req) : []
      const rows = await req.db.transaction(async (tx) => {
        for (const [projectId, all] of Map.groupBy(specs, (each) => each.projectId))
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, { router: all.length })
        const made: RouterRow[] = []
        for (const spec of specs) made.push(await createRouter(tx, req, spec, hosts))
        return made
      })
      const all = await shown(req, rows)
      return bulk ? routerView.list(all, req.view) : routerView.show(all[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/routers/:id',
    policy: 'get_router',
    target,
    async handle(req, found) {
      const [row] = await shown(req, [found])
      return { router: pick(req.query, routerView.item(row!, req.view)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/routers/:id',
    policy: 'update_router',
    body: only('router', RouterUpdate),
    target,
    async handle(req, found) {
      requireRevision(req, found)
      const change = changeOf(req, 'update_router', req.body.router, found.projectId)
      await requireSeen(req, change.gateway)
      const hosts = change.gateway === undefined ? [] : await routerHosts(req)
      const after = await req.db.transaction((tx) => updateRouter(tx, req, found.id, change, hosts))
      const [row] = await shown(req, [after])
      return routerView.show(row!, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/routers/:id',
    policy: 'delete_router',
    target,
    async handle(req, found) {
      requireRevision(req, found)
      await req.db.transaction((tx) => deleteRouter(tx, req, found.id))
      return reply({ status: 204 })
    },
  }),
  route({
    method: 'PUT',
    path: '/routers/:id/add_router_interface',
    policy: 'add_router_interface',
    body: InterfaceAsked,
    target,
    async handle(req, found) {
      const wish = { subnetId: req.body.subnet_id, portId: req.body.port_id }
      const hosts = await routerHosts(req)
      const made = await req.db.transaction((tx) => connectRouter(tx, req, found.id, wish, askerOf(req), hosts))
      return interfaceInfo(found, made)
    },
  }),
  route({
    method: 'PUT',
    path: '/routers/:id/remove_router_interface',
    policy: 'remove_router_interface',
    body: InterfaceAsked,
    target,
    async handle(req, found) {
      const wish = { subnetId: req.body.subnet_id, portId: req.body.port_id }
      const hosts = await routerHosts(req)
      const gone = await req.db.transaction((tx) => disconnectRouter(tx, req, found.id, wish, hosts))
      return interfaceInfo(found, gone)
    },
  }),
  ...(['add', 'remove'] as const).map((verb) =>
    route({
      method: 'PUT',
      path: `/routers/:id/${verb}_extraroutes`,
      policy: `${verb}_extraroutes`,
      body: RoutesAsked,
      target,
      async handle(req, found) {
        const after = await req.db.transaction((tx) =>
          changeRoutes(tx, req, found.id, { [verb]: req.body.router.routes }),
        )
        const [row] = await shown(req, [after])
        return routerView.show(row!, req.view)
      },
    }),
  ),
]
