import { eq, inArray, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { requireQuota } from '#lib/quota.ts'
import type { Static } from 'typebox'
import { type Network, network, subnet, subnetPool } from '../model.ts'
import { aboutProject, requireMembers } from '../policy.ts'
import { asked, askerOf, ownerOf, requireRevision, seerOf } from '../rest/body.ts'
import { maybeTruth, truth } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { createNetwork, type NewNetwork } from './create.ts'
import { deleteNetwork } from './delete.ts'
import { getNetwork, isSharedWith, networksOf, sharedWith } from './model.ts'
import { CreateNetworks, type NetworkCreate, UpdateNetwork } from './schema.ts'
import { updateNetwork, type NetworkChange } from './update.ts'
import { networkView, type ShownNetwork } from './views.ts'

async function target(req: Request): Promise<Network> {
  const found = await getNetwork(req.db, req.region, req.params['id']!, seerOf(req))
  return { ...found, shared: await isSharedWith(req.db, found, askerOf(req).projectId) }
}
const policyTarget = ({ projectId, shared, external }: Network) => ({
  ...aboutProject(projectId),
  shared,
  'router:external': external,
})

const networkFilters: Filters = {
  ...standardFilters(network),
  admin_state_up: network.adminUp,
  mtu: network.mtu,
  status: (values) => (values.includes('ACTIVE') ? sql`true` : sql`false`),
  'router:external': network.external,
  is_default: network.isDefault,
  port_security_enabled: network.portSecurity,
  dns_domain: network.dnsDomain,
  'provider:network_type': network.kind,
  'provider:physical_network': network.physical,
  'provider:segmentation_id': network.segment,
  subnets: (values) =>
    sql`exists (select 1 from subnet s where s.network_id = ${network.id} and s.id::text in ${values})`,
  shared: (values, req) => {
    const wanted = values.map((value) => /^(true|1|yes|on)$/i.test(value))
    const shared = sql`(${network.shared} or exists (select 1 from rbac_policy r where r.object_id = ${network.id}
      and r.target_project = ${askerOf(req).projectId} and r.action = 'access_as_shared'))`
    return sql`${shared} in ${wanted}`
  },
}

/** What the view needs besides the rows: their subnets, and what is shared with the project by name. */
async function shown(req: Request, rows: readonly Network[]): Promise<ShownNetwork[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const [subnets, shared] = await Promise.all([
    req.db
      .select({
        id: subnet.id,
        networkId: subnet.networkId,
        ipVersion: subnet.ipVersion,
        scopeId: subnetPool.addressScopeId,
      })
      .from(subnet)
      .leftJoin(subnetPool, eq(subnetPool.id, subnet.subnetPoolId))
      .where(ids.length === 1 ? eq(subnet.networkId, ids[0]!) : inArray(subnet.networkId, ids))
      .orderBy(subnet.id),
    sharedWith(req.db, askerOf(req).projectId, ids),
  ])
  const byNetwork = Map.groupBy(subnets, ({ networkId }) => networkId)
  return rows.map((row) => {
    const own = byNetwork.get(row.id) ?? []
    const scopeOf = (version: number) => own.find(({ ipVersion, scopeId }) => ipVersion === version && scopeId)?.scopeId
    return Object.assign(row, {
      shared: row.shared || shared.has(row.id),
      subnetIds: own.map(({ id }) => id),
      scopeIdV4: scopeOf(4) ?? null,
      scopeIdV6: scopeOf(6) ?? null,
    })
  })
}

function newNetwork(req: Request, body: NetworkCreate): NewNetwork {
  const projectId = ownerOf(req, body)
  requireMembers(req, 'create_network', body, aboutProject(projectId))
  const kind = body['provider:network_type'] ?? 'vxlan'
  const physical = body['provider:physical_network'] ?? undefined
  const segment = body['provider:segmentation_id'] ?? undefined
  if (kind !== 'vxlan' && kind !== 'flat')
    return invalid(`The network type ${kind} is not supported: it can be vxlan or flat.`, { code: 'InvalidInput' })
  if (kind === 'flat' && (physical === undefined || segment !== undefined))
    invalid('A flat network needs provider:physical_network, and has no provider:segmentation_id.', {
      code: 'InvalidInput',
    })
  if (kind === 'vxlan' && physical !== undefined)
    invalid('provider:physical_network specified for a vxlan network.', { code: 'InvalidInput' })
  if (segment !== undefined && (Number(segment) < 1 || Number(segment) > 16_777_215))
    invalid('The provider:segmentation_id of a vxlan network must be between 1 and 16777215.', { code: 'InvalidInput' })
  return {
    region: req.region,
    projectId,
    kind,
    physical,
    segment: segment === undefined ? undefined : Number(segment),
    mtu: body.mtu,
    zoneHints: body.availability_zone_hints ?? [],
    ...changeOf(body),
  }
}

function changeOf(body: Static<typeof UpdateNetwork>['network']): Omit<NetworkChange, 'mtu'> {
  const { name, description, admin_state_up, shared, is_default, port_security_enabled, dns_domain } = body
  const external = maybeTruth(body['router:external'])
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(admin_state_up !== undefined && { adminUp: truth(admin_state_up) }),
    ...(shared !== undefined && { shared: truth(shared) }),
    ...(external !== undefined && { external }),
    ...(is_default !== undefined && { isDefault: truth(is_default) }),
    ...(port_security_enabled !== undefined && { portSecurity: truth(port_security_enabled) }),
    ...(dns_domain !== undefined && { dnsDomain: dns_domain }),
  }
}

export const networkRoutes = [
  route({
    method: 'GET',
    path: '/networks',
    policy: 'get_network',
    async handle(req) {
      const { projectId, isAdmin } = seerOf(req)
      const { rows, links } = await listRows(
        req,
        network,
        networkFilters,
        sql`${network.region} = ${req.region} and ${isAdmin ? sql`true` : networksOf(projectId, true)}`,
      )
      const all = await shown(req, rows)
      return {
        networks: all.map((row) => pick(req.query, networkView.item(row, req.view))),
        ...(links && { networks_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/networks',
    policy: 'create_network',
    body: CreateNetworks,
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<NetworkCreate>(req.body, 'network', 'networks')
      const specs = items.map((item) => newNetwork(req, item))
      const made = await req.db.transaction(async (tx) => {
        const owners = Map.groupBy(specs, ({ projectId }) => projectId)
        for (const [projectId, all] of owners)
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, { network: all.length })
        const rows: Network[] = []
        for (const spec of specs) rows.push(await createNetwork(tx, spec))
        return rows
      })
      const rows = made.map((row) => ({ ...row, subnetIds: [], scopeIdV4: null, scopeIdV6: null }))
      return bulk ? networkView.list(rows, req.view) : networkView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/networks/:id',
    policy: 'get_network',
    target,
    policyTarget,
    async handle(req, found) {
      const [row] = await shown(req, [found])
      return { network: pick(req.query, networkView.item(row!, req.view)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/networks/:id',
    policy: 'update_network',
    body: UpdateNetwork,
    target,
    policyTarget,
    async handle(req, found) {
      const body = req.body.network
      requireMembers(req, 'update_network', body, policyTarget(found))
      requireRevision(req, found)
      const change = { ...changeOf(body), ...(body.mtu !== undefined && { mtu: body.mtu }) }
      const after = await req.db.transaction((tx) => updateNetwork(tx, req, found.id, change))
      const [row] = await shown(req, [after])
      return networkView.show(row!, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/networks/:id',
    policy: 'delete_network',
    target,
    policyTarget,
    async handle(req, found) {
      requireRevision(req, found)
      await req.db.transaction((tx) => deleteNetwork(tx, req, found.id))
      return reply({ status: 204 })
    },
  }),
]
