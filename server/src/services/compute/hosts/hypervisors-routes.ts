import { invalid, notFound } from '#lib/fault.ts'
import { nextUrl, one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { and, type Db, eq, inArray, isNull } from '#lib/db.ts'
import { isUuid } from '#lib/id.ts'
import { parseVersion } from '#lib/microversion.ts'
import { view } from '#lib/view.ts'
import { server } from '../servers/model.ts'
import { queryCount, queryTruth } from '../wire.ts'
import { type ComputeHost, type HostUse, hostUse, isUp, listHosts } from './model.ts'

const paged = parseVersion('2.33')
const byUuid = parseVersion('2.53')
const objectCpu = parseVersion('2.28')
const alwaysServers = parseVersion('2.75')

interface Shown {
  host: ComputeHost
  use: HostUse | undefined
  servers: { uuid: string; name: string }[] | undefined
}

const briefFields = {
  id: { until: '2.52', get: ({ host }: Shown) => host.n },
  'id ': { since: '2.53', get: ({ host }: Shown) => host.id },
  hypervisor_hostname: ({ host }: Shown) => host.name,
  state: ({ host }: Shown) => (isUp(host) ? 'up' : 'down'),
  status: ({ host }: Shown) => (host.disabled ? 'disabled' : 'enabled'),
}
const briefView = view<Shown>(['hypervisor', 'hypervisors'], {
  ...briefFields,
  servers: ({ servers }, viewer) => (viewer.version >= byUuid || servers?.length ? servers : undefined),
})

function cpuInfo({ facts }: ComputeHost) {
  return {
    arch: facts.architecture,
    model: facts.cpuModel,
    vendor: '',
    features: facts.traits
      .filter((trait) => trait.startsWith('HW_CPU_'))
      .map((trait) => trait.replace(/^HW_CPU_(X86_)?/, '').toLowerCase()),
    topology: { cores: facts.vcpus, threads: 1, sockets: 1 },
  }
}
const old = (get: (s: Shown) => unknown) => ({ until: '2.87', get })
const detailView = view<Shown>(['hypervisor', 'hypervisors'], {
  ...briefFields,
  hypervisor_type: () => 'QEMU',
  hypervisor_version: ({ host }) => host.facts.hypervisorVersion,
  host_ip: ({ host }) => host.facts.tunnelAddress,
  service: ({ host }, viewer) => ({
    id: viewer.version >= byUuid ? host.serviceId : host.n,
    host: host.name,
    disabled_reason: host.disabledReason,
  }),
  cpu_info: {
    until: '2.87',
    get: ({ host }, viewer) => (viewer.version >= objectCpu ? cpuInfo(host) : JSON.stringify(cpuInfo(host))),
  },
  vcpus: old(({ host }) => host.vcpus),
  vcpus_used: old(({ use }) => use?.vcpus ?? 0),
  memory_mb: old(({ host }) => host.memoryMb),
  memory_mb_used: old(({ use }) => use?.memoryMb ?? 0),
  free_ram_mb: old(({ host, use }) => host.memoryMb - (use?.memoryMb ?? 0)),
  local_gb: old(({ host }) => host.diskGb),
  local_gb_used: old(({ use }) => use?.diskGb ?? 0),
  free_disk_gb: old(({ host, use }) => host.diskGb - (use?.diskGb ?? 0)),
  disk_available_least: old(({ host, use }) => host.diskGb - (use?.diskGb ?? 0)),
  running_vms: old(({ use }) => use?.servers ?? 0),
  current_workload: old(() => 0),
  // hosts do not tell how long they are up
  uptime: { since: '2.88', get: () => null },
  servers: ({ servers }, viewer) =>
    viewer.version >= byUuid ? (servers?.length || viewer.version >= alwaysServers ? servers : undefined) : undefined,
})

async function serversOn(db: Db, region: string, hosts: readonly ComputeHost[]) {
  if (hosts.length === 0) return new Map<string, { uuid: string; name: string }[]>()
  const rows = await db
    .select({ uuid: server.id, name: server.name, host: server.host })
    .from(server)
    .where(
      and(
        eq(server.region, region),
        isNull(server.deletedAt),
        inArray(
          server.host,
          hosts.map((host) => host.name),
        ),
      ),
    )
    .orderBy(server.id)
  const found = Map.groupBy(rows, (row) => row.host ?? '')
  return new Map([...found].map(([host, all]) => [host, all.map(({ uuid, name }) => ({ uuid, name }))]))
}

type Asked = Pick<Request, 'db' | 'region' | 'query' | 'version' | 'view' | 'url'>

async function dressed(
  req: Pick<Asked, 'db' | 'region'>,
  hosts: readonly ComputeHost[],
  withServers: boolean,
): Promise<Shown[]> {
  const use = await hostUse(req.db, req.region)
  const servers = withServers ? await serversOn(req.db, req.region, hosts) : undefined
  return hosts.map((host) => ({ host, use: use.get(host.name), servers: servers && (servers.get(host.name) ?? []) }))
}

async function listHypervisors(req: Asked, detail: boolean) {
  const { query, version } = req
  const pattern = version >= byUuid ? one(query, 'hypervisor_hostname_pattern') : undefined
  const withServers = version >= byUuid && (queryTruth(query, 'with_servers') ?? false)
  let hosts = await listHosts(req.db, req.region)
  const links: Record<string, unknown> = {}
  if (pattern !== undefined) {
    if (query['limit'] !== undefined || query['marker'] !== undefined)
      invalid('Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.')
    hosts = hosts.filter((host) => host.name.includes(pattern))
    if (hosts.length === 0) notFound('Hypervisor', pattern)
  } else if (version >= paged) {
    const marker = one(query, 'marker')
    if (marker !== undefined) {
      const at = hosts.findIndex((host) => (version >= byUuid ? host.id : String(host.n)) === marker)
      if (at < 0) invalid(`Marker ${marker} could not be found.`)
      hosts = hosts.slice(at + 1)
    }
    const limit = Math.min(queryCount(query, 'limit') ?? 1000, 1000)
    const last = hosts[limit - 1]
    if (hosts.length > limit && last)
      links['hypervisors_links'] = [{ rel: 'next', href: nextUrl(req, version >= byUuid ? last.id : String(last.n)) }]
    hosts = hosts.slice(0, limit)
  }
  const shown = await dressed(req, hosts, withServers)
  return (detail ? detailView : briefView).list(shown, req.view, links)
}

async function getHypervisor({
  db,
  region,
  params,
  version,
}: Pick<Request, 'db' | 'region' | 'params' | 'version'>): Promise<ComputeHost> {
  const id = params['hypervisor']!
  const hosts = await listHosts(db, region)
  const found = hosts.find((host) => (version >= byUuid ? host.id === id : String(host.n) === id))
  if (!found && version >= byUuid && !isUuid(id)) invalid(`Invalid uuid ${id}`)
  return found ?? notFound('Compute host', id)
}

async function search(req: Pick<Request, 'db' | 'region' | 'params'>) {
  const wanted = req.params['hypervisor']!
  const hosts = (await listHosts(req.db, req.region)).filter((host) => host.name.includes(wanted))
  return hosts.length > 0 ? hosts : notFound('Hypervisor matching', wanted)
}

export const hypervisorRoutes = [
  route({
    method: 'GET',
    path: '/os-hypervisors',
    policy: 'os_compute_api:os-hypervisors:list',
    handle: (req) => listHypervisors(req, false),
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/detail',
    policy: 'os_compute_api:os-hypervisors:list-detail',
    handle: (req) => listHypervisors(req, true),
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/statistics',
    until: '2.87',
    policy: 'os_compute_api:os-hypervisors:statistics',
    async handle(req) {
      const hosts = (await listHosts(req.db, req.region)).filter((host) => !host.disabled)
      const use = await hostUse(req.db, req.region)
      const sum = (of: (host: ComputeHost, used: HostUse | undefined) => number) =>
        hosts.reduce((total, host) => total + of(host, use.get(host.name)), 0)
      const [memory, memoryUsed] = [sum((h) => h.memoryMb), sum((_, u) => u?.memoryMb ?? 0)]
      const [disk, diskUsed] = [sum((h) => h.diskGb), sum((_, u) => u?.diskGb ?? 0)]
      return {
        hypervisor_statistics: {
          count: hosts.length,
          vcpus: sum((h) => h.vcpus),
          vcpus_used: sum((_, u) => u?.vcpus ?? 0),
          memory_mb: memory,
          memory_mb_used: memoryUsed,
          free_ram_mb: memory - memoryUsed,
          local_gb: disk,
          local_gb_used: diskUsed,
          free_disk_gb: disk - diskUsed,
          disk_available_least: disk - diskUsed,
          running_vms: sum((_, u) => u?.servers ?? 0),
          current_workload: 0,
        },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:hypervisor',
    policy: 'os_compute_api:os-hypervisors:show',
    async handle(req) {
      const host = await getHypervisor(req)
      const [shown] = await dressed(
        req,
        [host],
        req.version >= byUuid && (queryTruth(req.query, 'with_servers') ?? false),
      )
      return detailView.show(shown!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:hypervisor/uptime',
    until: '2.87',
    policy: 'os_compute_api:os-hypervisors:uptime',
    async handle(req) {
      const host = await getHypervisor(req)
      return invalid(`The uptime of host ${host.name} is not known: hosts do not tell it.`)
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:hypervisor/search',
    until: '2.52',
    policy: 'os_compute_api:os-hypervisors:search',
    async handle(req) {
      const hosts = await search(req)
      return briefView.list(
        hosts.map((host) => ({ host, use: undefined, servers: undefined })),
        req.view,
      )
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:hypervisor/servers',
    until: '2.52',
    policy: 'os_compute_api:os-hypervisors:servers',
    async handle(req) {
      return briefView.list(await dressed(req, await search(req), true), req.view)
    },
  }),
]
