// `os-hosts`, up to version 2.42: an older view of the same hosts.
import { Type } from 'typebox'
import { Fault, invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { sql } from '#lib/db.ts'
import { defaultZone, listAggregates, zonesByHost } from '../aggregates/model.ts'
import { setHostStatus } from './change.ts'
import { findHost, hostUse, listHosts } from './model.ts'

const Switch = Type.String({ pattern: '^\\s*([Ee][Nn]|[Dd][Ii][Ss])[Aa][Bb][Ll][Ee]\\s*$' })
const UpdateHost = Type.Object(
  { status: Type.Optional(Switch), maintenance_mode: Type.Optional(Switch) },
  { additionalProperties: false, minProperties: 1 },
)

async function namedHost({ db, region, params }: Pick<Request, 'db' | 'region' | 'params'>) {
  const name = params['host']!
  return (await findHost(db, region, name)) ?? notFound('Compute host', name)
}

const power = (action: 'startup' | 'shutdown' | 'reboot', rule: string) =>
  route({
    method: 'GET',
    path: `/os-hosts/:host/${action}`,
    until: '2.42',
    policy: `os_compute_api:os-hosts:${rule}`,
    async handle(req) {
      await namedHost(req)
      throw new Fault('notImplemented', 'The power of hosts is not switched by this cloud.')
    },
  })

export const hostRoutes = [
  route({
    method: 'GET',
    path: '/os-hosts',
    until: '2.42',
    policy: 'os_compute_api:os-hosts:list',
    async handle({ db, region, query }) {
      const zones = zonesByHost(await listAggregates(db, region))
      const wanted = one(query, 'zone')
      const hosts = (await listHosts(db, region))
        .filter((host) => !host.disabled)
        .map((host) => ({ host_name: host.name, service: 'compute', zone: zones.get(host.name) ?? defaultZone }))
      return { hosts: wanted ? hosts.filter((host) => host.zone === wanted) : hosts }
    },
  }),
  route({
    method: 'GET',
    path: '/os-hosts/:host',
    until: '2.42',
    policy: 'os_compute_api:os-hosts:show',
    async handle(req) {
      const host = await namedHost(req)
      const use = (await hostUse(req.db, req.region)).get(host.name)
      const projects = await req.db.rows<{ project: string; cpu: number; memory_mb: number; disk_gb: number }>(sql`
        select project_id as project, sum(vcpus)::int as cpu, sum(ram_mb)::int as memory_mb,
          sum((flavor->>'diskGb')::int + (flavor->>'ephemeralGb')::int)::int as disk_gb
        from server where region = ${req.region} and host = ${host.name} and deleted_at is null group by project_id`)
      const used = { cpu: use?.vcpus ?? 0, memory_mb: use?.memoryMb ?? 0, disk_gb: use?.diskGb ?? 0 }
      const rows = [
        { project: '(total)', cpu: host.vcpus, memory_mb: host.memoryMb, disk_gb: host.diskGb },
        { project: '(used_now)', ...used },
        { project: '(used_max)', ...used },
        ...projects,
      ]
      return { host: rows.map((row) => ({ resource: { host: host.name, ...row } })) }
    },
  }),
  route({
    method: 'PUT',
    path: '/os-hosts/:host',
    until: '2.42',
    policy: 'os_compute_api:os-hosts:update',
    body: UpdateHost,
    async handle(req) {
      const host = await namedHost(req)
      const { status, maintenance_mode: maintenance } = req.body
      if (maintenance !== undefined)
        throw new Fault(
          'notImplemented',
          'Maintenance mode would move servers, which is not possible in this cloud yet.',
        )
      const enabled = /enable/i.test(status ?? invalid('Say a status: enable or disable.'))
      await req.db.transaction((tx) => setHostStatus(tx, host, { disabled: !enabled, disabledReason: null }))
      return { host: host.name, status: enabled ? 'enabled' : 'disabled' }
    },
  }),
  power('startup', 'start'),
  power('shutdown', 'shutdown'),
  power('reboot', 'reboot'),
]
