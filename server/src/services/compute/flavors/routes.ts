import { and, eq, gte } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { listPage, nextUrl, one, readPage } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { truth } from '#lib/http/schema.ts'
import { newId } from '#lib/id.ts'
import { queryCount, queryTruth, toCount } from '../wire.ts'
import { deleteFlavor, flavor, type ForProject, getFlavor, insertFlavor, setDescription, visibleTo } from './model.ts'
import { CreateFlavor, UpdateFlavor } from './schema.ts'
import { flavorBrief, flavorView } from './views.ts'

/** Whose eyes: admins see every flavor. */
export function eyes(req: Pick<Request, 'actor'>): ForProject {
  return req.actor.isAdmin ? null : (req.actor.projectId ?? '')
}

async function listFlavors(req: Request, detail: boolean) {
  const page = readPage(req.query, {
    sortable: {
      flavorid: flavor.flavorId,
      id: flavor.n,
      name: flavor.name,
      memory_mb: flavor.ramMb,
      root_gb: flavor.diskGb,
      ephemeral_gb: flavor.ephemeralGb,
      vcpus: flavor.vcpus,
      swap: flavor.swapMb,
      rxtx_factor: flavor.rxtxFactor,
      is_public: flavor.isPublic,
      created_at: flavor.createdAt,
      description: flavor.description,
    },
    defaultSort: [{ column: flavor.flavorId, descending: false }],
  })
  const wanted = one(req.query, 'is_public')
  // admins see public flavors unless they ask for others; nobody else may choose
  const onlyPublic = req.actor.isAdmin
    ? wanted?.toLowerCase() === 'none'
      ? undefined
      : (queryTruth(req.query, 'is_public') ?? true)
    : undefined
  const minRam = queryCount(req.query, 'minRam')
  const minDisk = queryCount(req.query, 'minDisk')
  const { rows, more } = await listPage(
    req.db,
    flavor,
    flavor.flavorId,
    and(
      eq(flavor.region, req.region),
      visibleTo(eyes(req)),
      onlyPublic === undefined ? undefined : eq(flavor.isPublic, onlyPublic),
      minRam === undefined ? undefined : gte(flavor.ramMb, minRam),
      minDisk === undefined ? undefined : gte(flavor.diskGb, minDisk),
    ),
    page,
  )
  const last = rows.at(-1)
  const links = more && last ? { flavors_links: [{ rel: 'next', href: nextUrl(req, last.flavorId) }] } : {}
  return (detail ? flavorView : flavorBrief).list(rows, req.view, links)
}

export const flavorRoutes = [
  route({
    method: 'GET',
    path: '/flavors',
    policy: 'os_compute_api:flavors',
    handle: (req) => listFlavors(req, false),
  }),
  route({
    method: 'GET',
    path: '/flavors/detail',
    policy: 'os_compute_api:flavors',
    handle: (req) => listFlavors(req, true),
  }),
  route({
    method: 'GET',
    path: '/flavors/:flavor',
    policy: 'os_compute_api:flavors',
    async handle(req) {
      return flavorView.show(await getFlavor(req.db, req.region, req.params['flavor']!, eyes(req)), req.view)
    },
  }),
  route({
    method: 'POST',
    path: '/flavors',
    policy: 'os_compute_api:os-flavor-manage:create',
    body: CreateFlavor,
    async handle({ db, body: { flavor: wanted }, region, view }) {
      const id = wanted.id ?? 'auto'
      const rxtxFactor = Number(wanted.rxtx_factor ?? 1)
      if (!(rxtxFactor > 0)) invalid('Invalid input for field flavor.rxtx_factor: it must be greater than 0.')
      const spec = {
        region,
        flavorId: id === 'auto' ? newId() : String(id),
        name: wanted.name,
        vcpus: toCount(wanted.vcpus, 'flavor.vcpus', 1),
        ramMb: toCount(wanted.ram, 'flavor.ram', 1),
        diskGb: toCount(wanted.disk, 'flavor.disk', 0),
        ephemeralGb: toCount(wanted['OS-FLV-EXT-DATA:ephemeral'] ?? 0, 'flavor.OS-FLV-EXT-DATA:ephemeral', 0),
        swapMb: toCount(wanted.swap || 0, 'flavor.swap', 0),
        rxtxFactor,
        isPublic: truth(wanted['os-flavor-access:is_public'] ?? true),
        description: wanted.description ?? null,
      }
      return flavorView.show(await db.transaction((tx) => insertFlavor(tx, spec)), view)
    },
  }),
  route({
    method: 'PUT',
    path: '/flavors/:flavor',
    since: '2.55',
    policy: 'os_compute_api:os-flavor-manage:update',
    body: UpdateFlavor,
    async handle({ db, body, region, params, view }) {
      const { description } = body.flavor
      const changed = await db.transaction((tx) => setDescription(tx, region, params['flavor']!, description))
      return flavorView.show(changed, view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/flavors/:flavor',
    policy: 'os_compute_api:os-flavor-manage:delete',
    async handle({ db, region, params }) {
      await db.transaction((tx) => deleteFlavor(tx, region, params['flavor']!))
      return reply({ status: 202 })
    },
  }),
]
