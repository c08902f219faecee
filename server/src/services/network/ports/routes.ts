import { inArray, sql, type Tx } from '#lib/db.ts'
import { conflict, invalid } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { requireQuota } from '#lib/quota.ts'
import { canonical } from '../addresses.ts'
import {
  floatingOwner,
  gatewayOwner,
  interfaceOwner,
  network,
  networkHost,
  type Network,
  type Port,
  port,
  type Subnet,
} from '../model.ts'
import { findNetwork, getNetwork, isSharedWith, subnetsOf } from '../networks/model.ts'
import { aboutNetwork, aboutProject, requireMembers } from '../policy.ts'
import { asked, askerOf, ownerOf, requireRevision, seerOf } from '../rest/body.ts'
import { truth } from '../rest/fields.ts'
import { pick } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { requireGroups } from '../security-groups/model.ts'
import { createPort, isTrusted, type NewPort, randomMac } from './create.ts'
import { removePorts } from './delete.ts'
import { carried, ensureDhcpPorts } from './dhcp.ts'
import { portFilters, portsFor } from './filters.ts'
import type { FixedIpWish } from './fixed-ips.ts'
import { findPort, withFixedIps } from './model.ts'
import { readDhcpOptions, readDnsName, readMac, readPairs, readVnicType, requireNoSecurity } from './rules.ts'
import { CreatePorts, type PortCreate, type PortUpdate, UpdatePort } from './schema.ts'
import { type PortChange, updatePort } from './update.ts'
import { portView, type ShownPort } from './views.ts'
import { notFound } from '#lib/fault.ts'

interface Found {
  port: Port
  about: About
}
async function target(req: Request): Promise<Found> {
  const id = req.params['id']!
  const { isAdmin, projectId } = seerOf(req)
  const found = await findPort(req.db, req.region, id)
  const on = found && (await findNetwork(req.db, req.region, found.networkId))
  if (!found || !on || (!isAdmin && found.projectId !== projectId && on.projectId !== projectId))
    return notFound('Port', id)
  return { port: found, about: await aboutPort(req, found.projectId, on) }
}
type About = Record<string, unknown>
async function aboutPort(req: Request, projectId: string, on: Network): Promise<About> {
  const shared = await isSharedWith(req.db, on, askerOf(req).projectId)
  return { ...aboutProject(projectId), ...aboutNetwork(on, shared) }
}
const policyTarget = ({ about }: Found) => about

async function shown(req: Request, rows: readonly Port[]): Promise<ShownPort[]> {
  if (rows.length === 0) return []
  const named = [...new Set(rows.filter(({ fixedIps }) => fixedIps.length > 0).map(({ networkId }) => networkId))]
  const hosts = seerOf(req).isAdmin ? [...new Set(rows.map(({ host }) => host).filter((host) => host !== ''))] : []
  const [domains, known] = await Promise.all([
    named.length === 0
      ? []
      : req.db.select({ id: network.id, dnsDomain: network.dnsDomain }).from(network).where(inArray(network.id, named)),
    hosts.length === 0
      ? []
      : req.db.select({ host: networkHost.host }).from(networkHost).where(inArray(networkHost.host, hosts)),
  ])
  const domainOf = new Map(domains.map(({ id, dnsDomain }) => [id, dnsDomain]))
  return rows.map((row) =>
    Object.assign(row, {
      networkDomain: domainOf.get(row.networkId) ?? '',
      hostKnown: known.some(({ host }) => host === row.host),
    }),
  )
}

function wishesOf(fixedIps: PortUpdate['fixed_ips']): FixedIpWish[] | undefined {
  const wishes = fixedIps?.map(({ subnet_id, ip_address }) => ({
    subnetId: subnet_id?.toLowerCase(),
    address: ip_address == null ? undefined : (canonical(ip_address) ?? ip_address),
  }))
  const addresses = wishes?.flatMap(({ address }) => address ?? []) ?? []
  if (new Set(addresses).size !== addresses.length)
    invalid('Duplicate IP address in fixed_ips.', { code: 'InvalidInput' })
  return wishes
}

function requireAllowed(req: Request, action: 'create_port' | 'update_port', body: PortUpdate, about: About): void {
  requireMembers(req, action, body, { ...about, device_owner: body.device_owner ?? '' })
}

function changeOf(body: PortUpdate, before?: Port): PortChange {
  const { mac_address: mac, device_id, device_owner, allowed_address_pairs: pairs, extra_dhcp_opts: options } = body
  const host = body['binding:host_id']
  const profile = body['binding:profile']
  const vnicType = body['binding:vnic_type']
  return {
    ...(body.name !== undefined && { name: body.name }),
    ...(body.description !== undefined && { description: body.description }),
    ...(body.admin_state_up !== undefined && { adminUp: truth(body.admin_state_up) }),
    ...(mac != null && mac !== '' && { mac: readMac(mac) }),
    ...(mac === null && before && { mac: randomMac() }),
    ...(device_id !== undefined && { deviceId: device_id ?? '' }),
    ...(device_owner !== undefined && { deviceOwner: device_owner ?? '' }),
    ...(pairs !== undefined && { allowedPairs: readPairs(pairs ?? []) }),
    ...(options !== undefined && { dhcpOptions: readDhcpOptions(options ?? [], before?.dhcpOptions) }),
    ...(body.port_security_enabled !== undefined && { portSecurity: truth(body.port_security_enabled) }),
    ...(body.dns_name !== undefined && { dnsName: readDnsName(body.dns_name) }),
    ...(body.dns_domain !== undefined && { dnsDomain: body.dns_domain ?? '' }),
    ...(host !== undefined && { host: host ?? '' }),
    ...(profile !== undefined && { profile: profile ?? {} }),
    ...(vnicType !== undefined && { vnicType: readVnicType(vnicType) }),
  }
}

interface Wanted {
  spec: NewPort
  network: Network
  groups: string[] | undefined
}

async function newPort(req: Request, body: PortCreate, on: Network): Promise<Wanted> {
  const projectId = ownerOf(req, body)
  const about = await aboutPort(req, projectId, on)
  req.require('create_port', about)
  requireAllowed(req, 'create_port', body, about)
  const change = changeOf(body)
  const groups = body.security_groups ?? undefined
  const trusted = isTrusted(change.deviceOwner ?? '')
  requireNoSecurity(!trusted && (change.portSecurity ?? on.portSecurity), groups, change.allowedPairs)
  return { spec: { ...change, projectId, fixedIps: wishesOf(body.fixed_ips) }, network: on, groups }
}

async function createAll(tx: Tx, req: Request, wanted: readonly Wanted[]): Promise<Port[]> {
  for (const [projectId, all] of Map.groupBy(wanted, ({ spec }) => spec.projectId))
    await requireQuota(tx, { service: 'network', region: req.region, projectId }, { port: all.length })
  const subnets = new Map<string, Subnet[]>()
  const made: Port[] = []
  for (const { spec, network: on, groups } of wanted) {
    const known = subnets.get(on.id) ?? (await subnetsOf(tx, [on.id]))
    subnets.set(on.id, known)
    const securityGroupIds = groups && (await requireGroups(tx, req.region, groups, spec.projectId))
    made.push(await createPort(tx, on, known, { ...spec, securityGroupIds }))
  }
  const hosted = made.filter(({ host }) => host !== '')
  if (hosted.length > 0) {
    const networkIds = [...new Set(hosted.map(({ networkId }) => networkId))]
    await ensureDhcpPorts(tx, req, await carried(tx, networkIds))
  }
  return made
}

export const portRoutes = [
  route({
    method: 'GET',
    path: '/ports',
    policy: 'get_port',
    async handle(req) {
      const { projectId, isAdmin } = seerOf(req)
      const where = sql`${port.region} = ${req.region} and ${isAdmin ? sql`true` : portsFor(projectId)}`
      const { rows, links } = await listRows(req, port, portFilters, where)
      const all = await shown(req, await withFixedIps(req.db, rows))
      return {
        ports: all.map((row) => pick(req.query, portView.item(row, req.view))),
        ...(links && { ports_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/ports',
    policy: 'authenticated', // create_port is asked for each one, about its network
    body: CreatePorts,
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<PortCreate>(req.body, 'port', 'ports')
      const networks = new Map<string, Network>()
      const wanted: Wanted[] = []
      for (const item of items) {
        const on = networks.get(item.network_id) ?? (await getNetwork(req.db, req.region, item.network_id, seerOf(req)))
        networks.set(item.network_id, on)
        wanted.push(await newPort(req, item, on))
      }
      const made = await req.db.transaction((tx) => createAll(tx, req, wanted))
      const rows = made.map((row, i) =>
        Object.assign(row, { networkDomain: wanted[i]!.network.dnsDomain, hostKnown: false }),
      )
      const all = made.some(({ host }) => host !== '') ? await shown(req, made) : rows
      return bulk ? portView.list(all, req.view) : portView.show(all[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/ports/:id',
    policy: 'get_port',
    target,
    policyTarget,
    async handle(req, { port: found }) {
      const [row] = await shown(req, [found])
      return { port: pick(req.query, portView.item(row!, req.view)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/ports/:id',
    policy: 'update_port',
    body: UpdatePort,
    target,
    policyTarget,
    async handle(req, { port: found, about }) {
      const body = req.body.port
      requireAllowed(req, 'update_port', body, about)
      requireRevision(req, found)
      const change: PortChange = { ...changeOf(body, found), fixedIps: wishesOf(body.fixed_ips) }
      const after = await req.db.transaction(async (tx) => {
        if (body.security_groups !== undefined)
          change.securityGroupIds = await requireGroups(tx, req.region, body.security_groups ?? [], found.projectId)
        return updatePort(tx, req, found.id, change)
      })
      const [row] = await shown(req, [after])
      return portView.show(row!, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/ports/:id',
    policy: 'delete_port',
    target,
    policyTarget,
    async handle(req, { port: found }) {
      requireRevision(req, found)
      if ([interfaceOwner, gatewayOwner, floatingOwner].includes(found.deviceOwner))
        conflict(
          `Port ${found.id} cannot be deleted directly via the port API: it has device owner ${found.deviceOwner}.`,
          { code: 'ServicePortInUse' },
        )
      await req.db.transaction((tx) => removePorts(tx, req, [found]))
      return reply({ status: 204 })
    },
  }),
]
