import { Fault } from '#lib/fault.ts'
import { listPage, nextLink, type PageRules, readPage } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { truth } from '#lib/http/schema.ts'
import { inArray, sqlState } from '#lib/db.ts'
import { parseVersion } from '#lib/microversion.ts'
import { serverAddresses } from '#network'
import { isUp, listHosts } from '../hosts/model.ts'
import { createServers } from './create.ts'
import { deleteServer } from './delete.ts'
import { serverFilter } from './filters.ts'
import { briefServer, type ListedServer, listedServer as s, type Server, server, stampedServer } from './model.ts'
import { drawDetail } from './list-views.ts'
import { listedRows } from './rows.ts'
import { CreateServer, UpdateServer } from './schema.ts'
import { serverTarget } from './target.ts'
import { updateServer } from './update.ts'
import { serverBrief, serverChanged, serverView, type ShownServer } from './views.ts'
import { canonical, readWish } from './requests.ts'
import { links } from '../wire.ts'

const hasHostStatus = parseVersion('2.16')
const hasUserData = parseVersion('2.3')
const strictSort = parseVersion('2.75')

const pageRules: PageRules = {
  sortable: {
    created_at: s.createdAt,
    updated_at: s.updatedAt,
    launched_at: s.launchedAt,
    terminated_at: s.deletedAt,
    display_name: s.name,
    display_description: s.description,
    uuid: s.id,
    host: s.host,
    node: s.host,
    hostname: s.hostname,
    image_ref: s.imageId,
    instance_type_id: s.flavorId,
    key_name: s.keyName,
    launch_index: s.launchIndex,
    project_id: s.projectId,
    user_id: s.userId,
    vm_state: s.state,
    task_state: s.state,
    power_state: s.state,
    availability_zone: s.availabilityZone,
    locked: s.lockedBy,
    locked_by: s.lockedBy,
    access_ip_v4: s.accessIpV4,
    access_ip_v6: s.accessIpV6,
    config_drive: s.id,
    auto_disk_config: s.diskConfig,
    progress: s.state,
    root_device_name: s.id,
    kernel_id: s.id,
    ramdisk_id: s.id,
  },
  defaultSort: [{ column: s.createdAt, descending: true }],
}
/** Once they could be sorted by; since then they are passed over, and since 2.75 refused. */
const passedOver = new Set(
  `architecture cell_name cleaned default_ephemeral_device default_swap_device deleted deleted_at disable_terminate
   ephemeral_gb ephemeral_key_uuid id key_data launched_on memory_mb os_type reservation_id root_gb shutdown_terminate
   user_data vcpus vm_mode`.split(/\s+/),
)

async function listServers(req: Request, detail: boolean) {
  const query = { ...req.query }
  if (req.version < strictSort && query['sort_key'] !== undefined)
    query['sort_key'] = [query['sort_key']].flat().filter((key) => !passedOver.has(key))
  const where = await serverFilter(req, detail)
  const page = readPage(query, pageRules)
  if (!detail) {
    const { rows, more } = await listPage(req.db, briefServer, s.id, where, page).catch(badPattern)
    return serverBrief.list(rows, req.view, linksOf(req, rows, more))
  }
  const { rows: stamps, more } = await listPage(req.db, stampedServer, s.id, where, page).catch(badPattern)
  const rows = await listedRows(req.db, stamps)
  const body = drawDetail(await shown(req, rows), rows, req.view, linksOf(req, stamps, more))
  return reply({ body, headers: { 'content-type': 'application/json' } })
}

function linksOf(req: Request, rows: readonly { id: string }[], more: boolean) {
  const next = nextLink(req, rows, more)
  return next && { servers_links: next }
}
function badPattern(error: unknown): never {
  if (sqlState(error) === '2201B')
    throw new Fault('invalid', 'A filter is no regular expression that can be used.', { cause: error })
  throw error
}

/** The rows with their NICs and whatever else this version and this actor see of them. */
export async function shown(
  req: Pick<Request, 'db' | 'region' | 'version' | 'allows'>,
  rows: readonly (ListedServer | Server)[],
): Promise<ShownServer[]> {
  const { db, region, version } = req
  const ids = rows.map((row) => row.id)
  const nics = await serverAddresses(db, ids)
  const statuses =
    version >= hasHostStatus && req.allows('os_compute_api:servers:show:host_status')
      ? new Map(
          (await listHosts(db, region)).map((host) => [
            host.name,
            isUp(host) ? (host.disabled ? 'MAINTENANCE' : 'UP') : 'DOWN',
          ]),
        )
      : undefined
  const wantsCold = version >= hasUserData && req.allows('os_compute_api:os-extended-server-attributes')
  const missing = wantsCold ? rows.filter((row) => !('image' in row)).map((row) => row.id) : []
  const cold = new Map(
    missing.length > 0
      ? (
          await db
            .select({ id: server.id, userData: server.userData, image: server.image })
            .from(server)
            .where(inArray(server.id, missing))
        ).map((row) => [row.id, row])
      : [],
  )
  return rows.map((row) => {
    const whole = 'image' in row ? row : cold.get(row.id)
    return {
      ...row,
      nics: nics.get(row.id) ?? [],
      ...(statuses && { hostStatus: statuses.get(row.host ?? '') ?? '' }),
      ...(whole && { cold: whole }),
    }
  })
}

/** One server as GET shows it. */
export async function showServer(req: Request, row: Server) {
  const [one] = await shown(req, [row])
  return serverView.show(one!, req.view)
}
export async function showChanged(req: Pick<Request, 'db' | 'region' | 'version' | 'allows' | 'view'>, row: Server) {
  const [one] = await shown(req, [row])
  return serverChanged.item(one!, req.view)
}

export const serverRoutes = [
  route({
    method: 'GET',
    path: '/servers',
    policy: 'os_compute_api:servers:index',
    handle: (req) => listServers(req, false),
  }),
  route({
    method: 'GET',
    path: '/servers/detail',
    policy: 'os_compute_api:servers:detail',
    handle: (req) => listServers(req, true),
  }),
  route({
    method: 'POST',
    path: '/servers',
    policy: 'os_compute_api:servers:create',
    body: CreateServer,
    async handle(req) {
      const { db, world, view, origin, body } = req
      const wish = await readWish(req, body)
      const made = await db.transaction((tx) => createServers(tx, world, wish, origin))
      const [first] = made
      if (truth(body.server.return_reservation_id ?? false))
        return reply({ status: 202, body: { reservation_id: first!.reservationId } })
      const shownLinks = links(view, 'servers', first!.id)
      return reply({
        status: 202,
        headers: { location: shownLinks[0]!.href },
        body: {
          server: {
            id: first!.id,
            links: shownLinks,
            'OS-DCF:diskConfig': first!.diskConfig,
            security_groups: body.server.security_groups ?? [{ name: 'default' }],
            adminPass: wish.adminPassword,
          },
        },
      })
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:id',
    policy: 'os_compute_api:servers:show',
    target: serverTarget,
    handle: (req, row) => showServer(req, row),
  }),
  route({
    method: 'PUT',
    path: '/servers/:id',
    policy: 'os_compute_api:servers:update',
    body: UpdateServer,
    target: serverTarget,
    async handle(req, row) {
      const { server: wanted } = req.body
      const set = {
        ...(wanted.name !== undefined && { name: wanted.name.trim() }),
        ...(wanted.description !== undefined && { description: wanted.description }),
        ...(wanted.hostname !== undefined && { hostname: wanted.hostname }),
        ...(wanted.accessIPv4 !== undefined && { accessIpV4: wanted.accessIPv4 }),
        ...(wanted.accessIPv6 !== undefined && { accessIpV6: canonical(wanted.accessIPv6) }),
        ...(wanted['OS-DCF:diskConfig'] !== undefined && { diskConfig: wanted['OS-DCF:diskConfig'] }),
      }
      const changed = await req.db.transaction((tx) => updateServer(tx, row, set))
      return { server: await showChanged(req, changed) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/servers/:id',
    policy: 'os_compute_api:servers:delete',
    target: serverTarget,
    async handle({ db, origin, actor }, row) {
      requireUnlocked(row, actor.isAdmin)
      await db.transaction((tx) => deleteServer(tx, row, origin))
    },
  }),
]

/** Throws conflict for a locked server; admins pass. */
export function requireUnlocked(row: Pick<Server, 'id' | 'lockedBy' | 'lockedReason'>, isAdmin: boolean): void {
  if (row.lockedBy !== null && !isAdmin)
    throw new Fault('conflict', `Instance ${row.id} is locked${row.lockedReason ? `: ${row.lockedReason}` : ''}.`)
}
