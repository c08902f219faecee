// `os-networks`, `os-tenant-networks` and floating IPs, until 2.35; and what is gone from the API at any version.
import { Type } from 'typebox'
import { Fault } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { nullable, strict } from '#lib/http/schema.ts'
import {
  deleteFloatingIp,
  floatingPools,
  namedNetwork,
  type NamedNetwork,
  namedNetworks,
  type PooledIp,
  pooledIp,
  projectFloatingIps,
  takeFloatingIp,
} from '#network'
import { askerOf, lastProxy, uuidOf } from './asker.ts'

const until = lastProxy
const policy = 'os_compute_api:os-networks'

// of nova-network's many fields only these two mean something of a network of today
const base = 'cidr netmask gateway broadcast dns1 dns2 cidr_v6 gateway_v6 netmask_v6'.split(' ')
const forAdmins =
  'created_at updated_at deleted_at deleted injected bridge vlan vpn_public_address vpn_public_port vpn_private_address dhcp_start project_id host bridge_interface multi_host priority rxtx_base mtu dhcp_server enable_dhcp share_address'.split(
    ' ',
  )
const nulls = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, null]))

function showNetwork({ id, name }: NamedNetwork, isAdmin: boolean) {
  return { ...nulls(base), ...(isAdmin && nulls(forAdmins)), id, label: name }
}
const showTenantNetwork = ({ id, name }: NamedNetwork) => ({ id, label: name, cidr: null })
function showIp({ id, address, fixedAddress, pool, serverId }: PooledIp) {
  return { id, ip: address, fixed_ip: fixedAddress, pool, instance_id: serverId }
}

const networkTarget = (req: Request) =>
  namedNetwork(req.db, req.region, uuidOf(req.params['id']!, 'Network'), askerOf(req))
const ipTarget = async (req: Request) => {
  const found = await pooledIp(req.db, req.region, uuidOf(req.params['id']!, 'Floating IP'), askerOf(req))
  return found
}

export const networkProxyRoutes = [
  route({
    method: 'GET',
    path: '/os-networks',
    until,
    policy: `${policy}:list`,
    async handle(req) {
      const networks = await namedNetworks(req.db, req.region, askerOf(req))
      return { networks: networks.map((each) => showNetwork(each, req.actor.isAdmin)) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-networks/:id',
    until,
    policy: `${policy}:show`,
    target: networkTarget,
    policyTarget: (_target, req) => ({ project_id: req.actor.projectId }),
    handle: async ({ actor }, network) => ({ network: showNetwork(network, actor.isAdmin) }),
  }),
  route({
    method: 'GET',
    path: '/os-tenant-networks',
    until,
    policy: 'os_compute_api:os-tenant-networks:list',
    async handle(req) {
      // an administrator's own project only, as its servers see it
      const networks = await namedNetworks(req.db, req.region, { ...askerOf(req), isAdmin: false })
      return { networks: networks.map(showTenantNetwork) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-tenant-networks/:id',
    until,
    policy: 'os_compute_api:os-tenant-networks:show',
    target: networkTarget,
    policyTarget: (_target, req) => ({ project_id: req.actor.projectId }),
    handle: async (_req, network) => ({ network: showTenantNetwork(network) }),
  }),
  route({
    method: 'GET',
    path: '/os-floating-ip-pools',
    until,
    policy: 'os_compute_api:os-floating-ip-pools',
    async handle({ db, region }) {
      return { floating_ip_pools: (await floatingPools(db, region)).map(({ name }) => ({ name })) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-floating-ips',
    until,
    policy: 'os_compute_api:os-floating-ips:list',
    async handle(req) {
      const ips = await projectFloatingIps(req.db, req.region, askerOf(req).projectId)
      return { floating_ips: ips.map(showIp) }
    },
  }),
  route({
    method: 'POST',
    path: '/os-floating-ips',
    until,
    policy: 'os_compute_api:os-floating-ips:create',
    body: Type.Optional(nullable(strict({ pool: Type.Optional(nullable(Type.String({ maxLength: 255 }))) }))),
    async handle(req) {
      const pool = req.body?.pool ?? null
      return { floating_ip: showIp(await req.db.transaction((tx) => takeFloatingIp(tx, req, pool, askerOf(req)))) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-floating-ips/:id',
    until,
    policy: 'os_compute_api:os-floating-ips:show',
    target: ipTarget,
    handle: async (_req, ip) => ({ floating_ip: showIp(ip) }),
  }),
  route({
    method: 'DELETE',
    path: '/os-floating-ips/:id',
    until,
    policy: 'os_compute_api:os-floating-ips:delete',
    target: ipTarget,
    async handle(req, ip) {
      await req.db.transaction((tx) => deleteFloatingIp(tx, req, ip.id, askerOf(req)))
      return reply({ status: 202 })
    },
  }),
  ...[
    ['GET', '/os-fixed-ips/:id'],
    ['POST', '/os-fixed-ips/:id/action'],
    ['GET', '/os-floating-ips-bulk'],
    ['GET', '/os-floating-ip-dns'],
    ['GET', '/os-security-group-default-rules'],
    ['GET', '/os-cloudpipe'],
    ['GET', '/os-cells'],
    ['GET', '/os-fping'],
    ['GET', '/os-agents'],
    ['POST', '/os-certificates'],
    ['POST', '/os-networks'],
    ['POST', '/os-tenant-networks'],
    ['GET', '/servers/:id/os-virtual-interfaces'],
  ].map(([method, path]) =>
    route({
      method: method as 'GET' | 'POST',
      path: path!,
      policy: 'os_compute_api:extensions',
      handle: () => Promise.reject(new Fault('gone', 'This part of the compute API is gone: ask the network service.')),
    }),
  ),
]
