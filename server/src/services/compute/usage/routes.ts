// `os-simple-tenant-usage`: what servers took of a stretch of time; `os-migrations`, which are none yet.
import { sql } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { parseVersion } from '#lib/microversion.ts'
import { words, type State } from '../servers/states.ts'
import { serverTarget } from '../servers/target.ts'
import { bareTime, queryCount } from '../wire.ts'

const paged = parseVersion('2.40')

interface Row {
  id: string
  name: string
  project_id: string
  state: State
  flavor: { name: string; vcpus: number; ramMb: number; diskGb: number; ephemeralGb: number }
  launched_at: string
  deleted_at: string | null
}

function period({ query }: Pick<Request, 'query'>): { start: Date; stop: Date } {
  const moment = (name: string, otherwise: Date) => {
    const text = one(query, name)
    if (text === undefined) return otherwise
    // without a zone, UTC is meant
    const at = new Date(/([zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.replace(' ', 'T')}Z`)
    return Number.isNaN(at.getTime()) ? invalid('Datetime is in invalid format') : at
  }
  const stop = moment('end', new Date())
  const start = moment('start', new Date(stop.getTime() - 28 * 86_400_000))
  if (start >= stop) invalid(`Invalid start time. The start time cannot occur after the end time.`)
  return { start, stop }
}

async function usageRows(
  { db, region, version, query }: Pick<Request, 'db' | 'region' | 'version' | 'query'>,
  start: Date,
  stop: Date,
  projectId: string | null,
) {
  const limit = version >= paged ? Math.min(queryCount(query, 'limit') ?? 1000, 1000) : 100_000
  const marker = version >= paged ? (one(query, 'marker') ?? null) : null
  return db.rows<Row>(sql`
    select id, name, project_id, state, flavor, launched_at, deleted_at from server
    where region = ${region} and launched_at < ${stop.toISOString()}::timestamptz
      and (deleted_at is null or deleted_at > ${start.toISOString()}::timestamptz)
      and (${projectId}::text is null or project_id = ${projectId}) and (${marker}::uuid is null or id > ${marker}::uuid)
    order by id limit ${limit}`)
}

function summed(rows: readonly Row[], start: Date, stop: Date, detailed: boolean, projectId: string) {
  const usages = rows.map((row) => {
    const began = new Date(row.launched_at)
    const ended = row.deleted_at === null ? null : new Date(row.deleted_at)
    const from = Math.max(began.getTime(), start.getTime())
    const to = Math.min((ended ?? new Date()).getTime(), stop.getTime())
    const hours = Math.max(0, to - from) / 3_600_000
    const { flavor } = row
    return {
      instance_id: row.id,
      name: row.name,
      tenant_id: row.project_id,
      flavor: flavor.name,
      vcpus: flavor.vcpus,
      memory_mb: flavor.ramMb,
      local_gb: flavor.diskGb + flavor.ephemeralGb,
      started_at: bareTime(began),
      ended_at: ended ? bareTime(ended) : null,
      hours,
      uptime: Math.floor(((ended ?? new Date()).getTime() - began.getTime()) / 1000),
      state: row.deleted_at === null ? words[row.state].vm : 'terminated',
    }
  })
  const total = (of: (usage: (typeof usages)[number]) => number) =>
    usages.reduce((sum, usage) => sum + usage.hours * of(usage), 0)
  return {
    tenant_id: projectId,
    start: bareTime(start),
    stop: bareTime(stop),
    total_hours: total(() => 1),
    total_vcpus_usage: total((u) => u.vcpus),
    total_memory_mb_usage: total((u) => u.memory_mb),
    total_local_gb_usage: total((u) => u.local_gb),
    ...(detailed && { server_usages: usages }),
  }
}

export const usageRoutes = [
  route({
    method: 'GET',
    path: '/os-simple-tenant-usage',
    policy: 'os_compute_api:os-simple-tenant-usage:list',
    async handle(req) {
      // the address of one project's usage with an empty id
      if (req.url.endsWith('/')) notFound('Project', '')
      const { start, stop } = period(req)
      const detailed = one(req.query, 'detailed') === '1'
      const byProject = Map.groupBy(await usageRows(req, start, stop, null), (row) => row.project_id)
      return { tenant_usages: [...byProject].map(([id, rows]) => summed(rows, start, stop, detailed, id)) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-simple-tenant-usage/:project',
    policy: 'os_compute_api:os-simple-tenant-usage:show',
    target: async () => undefined,
    policyTarget: (_target, { params }) => ({ project_id: params['project'] }),
    async handle(req) {
      const { start, stop } = period(req)
      const projectId = req.params['project']!
      const rows = await usageRows(req, start, stop, projectId)
      return { tenant_usage: rows.length === 0 ? {} : summed(rows, start, stop, true, projectId) }
    },
  }),
  route({
    method: 'GET',
    path: '/os-migrations',
    policy: 'os_compute_api:os-migrations:index',
    // servers do not move between hosts yet, so there is no migration to tell of
    handle: async () => ({ migrations: [] }),
  }),
  route({
    method: 'GET',
    path: '/servers/:id/migrations',
    since: '2.23',
    policy: 'os_compute_api:servers:migrations:index',
    target: serverTarget,
    handle: async () => ({ migrations: [] }),
  }),
]
