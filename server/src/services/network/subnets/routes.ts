import { type SQL, sql } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { requireQuota } from '#lib/quota.ts'
import { parseCidr } from '../addresses.ts'
import { type Network, type Subnet, subnet } from '../model.ts'
import { findNetwork, getNetwork, isSharedWith } from '../networks/model.ts'
import { aboutNetwork, aboutProject, requireMembers } from '../policy.ts'
import { asked, askerOf, ownerOf, requireRevision, seerOf } from '../rest/body.ts'
import { maybeTruth, truth } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { getDefaultPool } from '../subnet-pools/model.ts'
import { createSubnet, type NewSubnet } from './create.ts'
import { deleteSubnet } from './delete.ts'
import { getSubnet, subnetsFor } from './model.ts'
import { CreateSubnets, type SubnetCreate, type SubnetUpdate, UpdateSubnet } from './schema.ts'
import { type SubnetChange, updateSubnet } from './update.ts'
import { subnetView } from './views.ts'

const subnetFilters: Filters = {
  ...standardFilters(subnet),
  network_id: subnet.networkId,
  ip_version: subnet.ipVersion,
  cidr: subnet.cidr,
  gateway_ip: subnet.gateway,
  enable_dhcp: subnet.dhcp,
  ipv6_ra_mode: subnet.raMode,
  ipv6_address_mode: subnet.addressMode,
  subnetpool_id: subnet.subnetPoolId,
  dns_publish_fixed_ip: subnet.publishDns,
  segment_id: () => sql`false`,
  shared: (values): SQL =>
    sql`(exists (select 1 from network n where n.id = ${subnet.networkId} and n.shared))
      in ${values.map((value) => /^(true|1|yes|on)$/i.test(value))}`,
  'router:external': (values): SQL =>
    sql`(exists (select 1 from network n where n.id = ${subnet.networkId} and n.external))
      in ${values.map((value) => /^(true|1|yes|on)$/i.test(value))}`,
  service_types: (values): SQL =>
    sql`${subnet.serviceTypes} && array[${sql.join(
      values.map((value) => sql`${value}`),
      sql`, `,
    )}]::text[]`,
}

interface Found {
  subnet: Subnet
  about: Record<string, unknown>
}
async function target(req: Request): Promise<Found> {
  const id = req.params['id']!
  const found = await getSubnet(req.db, req.region, id, seerOf(req))
  const on = (await findNetwork(req.db, req.region, found.networkId)) ?? notFound('Subnet', id)
  return { subnet: found, about: await aboutSubnet(req, found.projectId, on) }
}
async function aboutSubnet(req: Request, projectId: string, on: Network): Promise<Record<string, unknown>> {
  const shared = await isSharedWith(req.db, on, askerOf(req).projectId)
  return { ...aboutProject(projectId), ...aboutNetwork(on, shared) }
}
const policyTarget = ({ about }: Found) => about

async function newSubnet(req: Request, body: SubnetCreate): Promise<NewSubnet> {
  const on = await getNetwork(req.db, req.region, body.network_id, askerOf(req))
  const projectId = ownerOf(req, body)
  const about = await aboutSubnet(req, projectId, on)
  req.require('create_subnet', about)
  requireMembers(req, 'create_subnet', body, about)
  const version = versionOf(body)
  const pool = await poolOf(req, body, version)
  const cidr = body.cidr ?? undefined
  if (cidr === undefined && pool === undefined)
    invalid('a subnetpool must be specified in the absence of a cidr', { code: 'BadRequest' })
  return {
    projectId,
    networkId: on.id,
    version,
    cidr,
    subnetPoolId: pool,
    prefixLength: body.prefixlen === undefined ? undefined : Number(body.prefixlen),
    gateway: body.gateway_ip,
    pools: body.allocation_pools,
    dhcp: maybeTruth(body.enable_dhcp) ?? true,
    dns: body.dns_nameservers,
    routes: body.host_routes,
    raMode: body.ipv6_ra_mode ?? null,
    addressMode: body.ipv6_address_mode ?? null,
    name: body.name ?? '',
    description: body.description ?? '',
    serviceTypes: checkedTypes(body.service_types),
    publishDns: maybeTruth(body.dns_publish_fixed_ip) ?? false,
  }
}

function versionOf(body: SubnetCreate): 4 | 6 {
  if (body.ip_version !== undefined) return Number(body.ip_version) === 4 ? 4 : 6
  const parsed = body.cidr ? parseCidr(body.cidr) : undefined
  return parsed?.version ?? invalid("Failed to parse request. Required attribute 'ip_version' not specified")
}

async function poolOf(req: Request, body: SubnetCreate, version: 4 | 6): Promise<string | undefined> {
  if (body.subnetpool_id) return body.subnetpool_id
  if (!body.use_default_subnetpool || !truth(body.use_default_subnetpool)) return undefined
  return (await getDefaultPool(req.db, req.region, version)).id
}

function checkedTypes(types: string[] | undefined): string[] {
  for (const type of types ?? [])
    if (!/^(compute|network|baremetal|container|trunk|cisco|neutron|ha_router|Octavia)?:?[\w:.-]+$/.test(type))
      invalid(`'${type}' is not a valid service type: it must be the beginning of a device owner.`, {
        code: 'InvalidInputSubnetServiceType',
      })
  return types ?? []
}

function changeOf(body: SubnetUpdate): SubnetChange {
  return {
    ...(body.name !== undefined && { name: body.name }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.gateway_ip !== undefined && { gateway: body.gateway_ip }),
    ...(body.allocation_pools !== undefined && { pools: body.allocation_pools }),
    ...(body.enable_dhcp !== undefined && { dhcp: truth(body.enable_dhcp) }),
    ...(body.dns_nameservers !== undefined && { dns: body.dns_nameservers }),
    ...(body.host_routes !== undefined && { routes: body.host_routes }),
    ...(body.service_types !== undefined && { serviceTypes: checkedTypes(body.service_types) }),
    ...(body.dns_publish_fixed_ip !== undefined && { publishDns: truth(body.dns_publish_fixed_ip) }),
  }
}

export const subnetRoutes = [
  route({
    method: 'GET',
    path: '/subnets',
    policy: 'get_subnet',
    async handle(req) {
      const { projectId, isAdmin } = seerOf(req)
      const where = sql`${subnet.region} = ${req.region} and ${isAdmin ? sql`true` : subnetsFor(projectId)}`
      const { rows, links } = await listRows(req, subnet, subnetFilters, where)
      return {
        subnets: rows.map((row) => pick(req.query, subnetView.item(row, req.view))),
        ...(links && { subnets_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/subnets',
    policy: 'authenticated', // create_subnet is asked for each one, about its network
    body: CreateSubnets,
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<SubnetCreate>(req.body, 'subnet', 'subnets')
      const specs: NewSubnet[] = []
      for (const item of items) specs.push(await newSubnet(req, item))
      const rows = await req.db.transaction(async (tx) => {
        for (const [projectId, all] of Map.groupBy(specs, (each) => each.projectId))
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, { subnet: all.length })
        const made: Subnet[] = []
        for (const spec of specs) made.push(await createSubnet(tx, req, spec, askerOf(req)))
        return made
      })
      return bulk ? subnetView.list(rows, req.view) : subnetView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/subnets/:id',
    policy: 'get_subnet',
    target,
    policyTarget,
    handle: async (req, { subnet: found }) => ({ subnet: pick(req.query, subnetView.item(found, req.view)) }),
  }),
  route({
    method: 'PUT',
    path: '/subnets/:id',
    policy: 'update_subnet',
    body: UpdateSubnet,
    target,
    policyTarget,
    async handle(req, { subnet: found, about }) {
      const body = req.body.subnet
      requireMembers(req, 'update_subnet', body, about)
      requireRevision(req, found)
      const after = await req.db.transaction((tx) => updateSubnet(tx, req, found.id, changeOf(body)))
      return subnetView.show(after, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/subnets/:id',
    policy: 'delete_subnet',
    target,
    policyTarget,
    async handle(req, { subnet: found }) {
      requireRevision(req, found)
      await req.db.transaction((tx) => deleteSubnet(tx, req, found.id))
      return reply({ status: 204 })
    },
  }),
]
