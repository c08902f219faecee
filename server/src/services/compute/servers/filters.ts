// Which servers a list shows: Nova's filters as one condition.
import { and, type Db, eq, gte, inArray, isNotNull, isNull, lte, ne, type SQL, sql } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { many, one } from '#lib/http/page.ts'
import type { Request } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { parseVersion } from '#lib/microversion.ts'
import { linearPattern, type Pattern } from '#lib/regex.ts'
import { serverAddresses } from '#network'
import { queryTruth } from '../wire.ts'
import { listedServer as s } from './model.ts'
import { type State, statesWith } from './states.ts'

type Filter = (value: string) => SQL | undefined

const like =
  (column: SQL | typeof s.name): Filter =>
  (value) =>
    sql`${column} ~ ${value}`
const nowhere = sql`false`
const inStates = (found: State[]) => (found.length > 0 ? inArray(s.state, found) : nowhere)
const on = (value: string) => /^(1|t|true|on|y|yes)$/i.test(value)
const moment = (value: string): Date => {
  const at = new Date(value)
  return Number.isNaN(at.getTime()) ? invalid(`Invalid time '${value}': it must be in ISO 8601 form.`) : at
}

/** What anybody may filter by. */
const forAll: Record<string, Filter> = {
  name: like(s.name),
  display_name: like(s.name),
  description: like(sql`coalesce(${s.description}, '')`),
  image: (value) => (isUuid(value) ? eq(s.imageId, value) : nowhere),
  image_ref: (value) => (isUuid(value) ? eq(s.imageId, value) : nowhere),
  flavor: (value) => eq(s.flavorId, value),
  reservation_id: (value) => eq(s.reservationId, value),
  'changes-since': (value) => gte(s.updatedAt, moment(value)),
  status: () => undefined, // read apart: it may be given several times
}
const sinceLocked: Record<string, Filter> = {
  locked: (value) => (on(value) ? isNotNull(s.lockedBy) : isNull(s.lockedBy)),
}
/** What admins may filter by, and since 2.83 anybody. */
const forMore: Record<string, Filter> = {
  availability_zone: (value) => eq(s.availabilityZone, value),
  config_drive: (value) => eq(s.configDrive, on(value)),
  key_name: (value) => eq(s.keyName, value),
  created_at: (value) => eq(s.createdAt, moment(value)),
  launched_at: (value) => eq(s.launchedAt, moment(value)),
  terminated_at: (value) => eq(s.deletedAt, moment(value)),
  power_state: (value) => inStates(statesWith('power', value)),
  task_state: (value) => inStates(statesWith('task', value)),
  vm_state: (value) => inStates(statesWith('vm', value)),
  progress: () => undefined,
  user_id: (value) => eq(s.userId, value),
}
const forAdmins: Record<string, Filter> = {
  host: (value) => eq(s.host, value),
  node: (value) => eq(s.host, value),
  hostname: like(s.hostname),
  uuid: (value) => (isUuid(value) ? eq(s.id, value) : nowhere),
  launch_index: (value) => (/^\d{1,9}$/.test(value) ? eq(s.launchIndex, Number(value)) : nowhere),
  access_ip_v4: (value) => eq(s.accessIpV4, value),
  access_ip_v6: (value) => eq(s.accessIpV6, value),
  auto_disk_config: (value) => eq(s.diskConfig, on(value) ? 'AUTO' : 'MANUAL'),
  locked_by: (value) => sql`${s.lockedBy} = ${value}`,
  root_device_name: (value) => (value === '/dev/vda' ? undefined : nowhere),
  kernel_id: () => undefined,
  ramdisk_id: () => undefined,
  soft_deleted: () => undefined,
}
/** Known to the list without being conditions on a column. */
const others = new Set(
  'limit marker sort_key sort_dir all_tenants project_id tenant_id deleted ip ip6 changes-before'.split(' '),
)
const byTags = new Set(['tags', 'tags-any', 'not-tags', 'not-tags-any'])

const version = Object.fromEntries(
  ['2.26', '2.66', '2.73', '2.75', '2.83'].map((text) => [text, parseVersion(text)]),
) as Record<'2.26' | '2.66' | '2.73' | '2.75' | '2.83', number>

/** The condition of this request; undefined when it can match nothing. Throws invalid, forbidden. */
export async function serverFilter(
  req: Pick<Request, 'query' | 'version' | 'actor' | 'region' | 'db' | 'allows' | 'require'>,
  detail: boolean,
): Promise<SQL | undefined> {
  const { query, actor } = req
  const admin = req.allows('os_compute_api:servers:allow_all_filters')
  const conditions: (SQL | undefined)[] = [eq(s.region, req.region), ownership(req, detail)]
  const usable = {
    ...forAll,
    ...(req.version >= version['2.73'] && sinceLocked),
    ...((admin || req.version >= version['2.83']) && forMore),
    ...(admin && forAdmins),
  }
  for (const name of Object.keys(query)) {
    const value = one(query, name) ?? ''
    const filter = usable[name]
    if (filter) conditions.push(filter(value))
    else if (byTags.has(name) && req.version >= version['2.26']) conditions.push(tagFilter(name, value))
    else if (name in forMore || name in forAdmins || others.has(name)) continue
    else if (req.version >= version['2.75'])
      invalid(`Additional properties are not allowed ('${name}' was unexpected).`)
  }
  if (req.version >= version['2.66'] && query['changes-before'] !== undefined) {
    const [since, before] = [one(query, 'changes-since'), moment(one(query, 'changes-before') ?? '')]
    if (since !== undefined && moment(since) > before) invalid('changes-since must not be later than changes-before.')
    conditions.push(lte(s.updatedAt, before))
  }
  const statuses = many(query, 'status').filter((value) => value !== '')
  if (statuses.length > 0) {
    const found = statuses.flatMap((status) => statesWith('status', status))
    if (found.includes('deleted') && !admin) req.require('os_compute_api:servers:allow_all_filters')
    conditions.push(inStates(found))
  }
  const wantsDeleted = admin && (queryTruth(query, 'deleted') ?? statuses.some((each) => /^deleted$/i.test(each)))
  const history = query['changes-since'] !== undefined
  if (wantsDeleted) conditions.push(isNotNull(s.deletedAt))
  else if (!history) conditions.push(isNull(s.deletedAt))
  else if (!actor.isAdmin) conditions.push(ne(s.state, 'deleting'))
  const where = and(...conditions)
  const [ip, ip6] = [one(query, 'ip'), one(query, 'ip6')]
  return ip === undefined && ip6 === undefined ? where : and(where, await byAddress(req.db, where, ip, ip6))
}

function ownership(req: Pick<Request, 'query' | 'actor' | 'require'>, detail: boolean): SQL | undefined {
  const text = one(req.query, 'all_tenants')
  const all = text !== undefined && (text === '' || queryTruth(req.query, 'all_tenants') === true)
  if (!all) return eq(s.projectId, req.actor.projectId ?? '')
  req.require(`os_compute_api:servers:${detail ? 'detail' : 'index'}:get_all_tenants`)
  const project = one(req.query, 'project_id') ?? one(req.query, 'tenant_id')
  return project === undefined ? undefined : eq(s.projectId, project)
}

function tagFilter(name: string, value: string): SQL {
  const wanted = sql`array(select jsonb_array_elements_text(${JSON.stringify(value.split(','))}::text::jsonb))`
  const found = name.endsWith('-any') ? sql`${s.tags} && ${wanted}` : sql`${s.tags} @> ${wanted}`
  return name.startsWith('not-') ? sql`not (${found})` : found
}

/** Addresses belong to the network service: the candidates are looked through one by one. */
async function byAddress(
  db: Db,
  where: SQL | undefined,
  ip: string | undefined,
  ip6: string | undefined,
): Promise<SQL> {
  const wanted = [
    [4, ip],
    [6, ip6],
  ].flatMap(([ipVersion, text]) => (typeof text === 'string' ? [{ ipVersion, pattern: pattern(text) }] : []))
  const rows = await db.select({ id: s.id }).from(s).where(where)
  const nics = await serverAddresses(
    db,
    rows.map((row) => row.id),
  )
  const ids = rows
    .map((row) => row.id)
    .filter((id) => {
      const addresses = (nics.get(id) ?? []).flatMap((nic) => [...nic.addresses, ...nic.floating])
      return wanted.every(({ ipVersion, pattern: p }) =>
        addresses.some((each) => each.version === ipVersion && p.test(each.address)),
      )
    })
  return ids.length > 0 ? inArray(s.id, ids) : nowhere
}

// tried on every address of the project, by anyone who is in it
const biggestPattern = 100

function pattern(text: string): Pattern {
  try {
    return linearPattern(text, biggestPattern)
  } catch {
    return invalid(`Invalid address '${text}': it must be an address or a regular expression.`)
  }
}
