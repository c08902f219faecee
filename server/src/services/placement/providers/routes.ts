import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import {
  atLeast,
  canonicalUuid,
  fresh,
  freshness,
  readMemberOf,
  readResources,
  readTraits,
  requireQuery,
  requestedProvider,
} from '../http.ts'
import { requireClasses } from '../resource-classes/model.ts'
import { requireTraits } from '../traits/model.ts'
import { deleteProvider, insertProvider, listProviders, type ProviderFilter, updateProvider } from './model.ts'
import { CreateProvider, UpdateProvider } from './schema.ts'
import { providerView } from './views.ts'

export const providerRoutes = [
  route({
    method: 'GET',
    path: '/resource_providers',
    policy: 'placement:resource_providers:list',
    async handle(req) {
      const rows = await listProviders(req.db, req.region, await readFilter(req))
      const newest = rows.reduce((latest, row) => Math.max(latest, row.updatedAt.getTime()), 0)
      return fresh(req, providerView.list(rows, req.view), newest ? new Date(newest) : undefined)
    },
  }),
  route({
    method: 'POST',
    path: '/resource_providers',
    policy: 'placement:resource_providers:create',
    body: CreateProvider,
    async handle(req) {
      const { name, uuid: id } = req.body
      const parentId = parentOf(req.body) ?? null
      const made = await req.db.transaction((tx) => insertProvider(tx, req.region, { id, name, parentId }))
      const location = `${req.view.baseUrl}/resource_providers/${made.id}`
      return atLeast(req, '1.20')
        ? reply({ body: providerView.item(made, req.view), headers: { location, ...freshness(req, made.updatedAt) } })
        : reply({ status: 201, body: undefined, headers: { location } })
    },
  }),
  route({
    method: 'GET',
    path: '/resource_providers/:id',
    policy: 'placement:resource_providers:show',
    target: requestedProvider,
    handle: async (req, row) => fresh(req, providerView.item(row, req.view), row.updatedAt),
  }),
  route({
    method: 'PUT',
    path: '/resource_providers/:id',
    policy: 'placement:resource_providers:update',
    body: UpdateProvider,
    target: requestedProvider,
    async handle(req, row) {
      const { name } = req.body
      const parentId = parentOf(req.body)
      const change = parentId === undefined ? { name } : { name, parentId }
      const changed = await req.db.transaction((tx) => updateProvider(tx, row.id, change, atLeast(req, '1.37')))
      return fresh(req, providerView.item(changed, req.view), changed.updatedAt)
    },
  }),
  route({
    method: 'DELETE',
    path: '/resource_providers/:id',
    policy: 'placement:resource_providers:delete',
    target: requestedProvider,
    async handle({ db }, row) {
      await db.transaction((tx) => deleteProvider(tx, row.id))
    },
  }),
]

/** undefined: not said; null: none. */
function parentOf(body: { parent_provider_uuid?: string | null }): string | null | undefined {
  const { parent_provider_uuid: id } = body
  return id ? canonicalUuid(id) : id
}

async function readFilter(req: Request): Promise<ProviderFilter> {
  const { db, region, query } = req
  requireQuery(req, {
    name: '1.0',
    uuid: '1.0',
    member_of: '1.3',
    resources: '1.4',
    in_tree: '1.14',
    required: '1.18',
  })
  const filter: ProviderFilter = { ...readMemberOf(req, 'member_of') }
  const name = one(query, 'name')
  if (name !== undefined) filter.name = name
  for (const [key, field] of [
    ['uuid', 'id'],
    ['in_tree', 'inTree'],
  ] as const) {
    const id = one(query, key)
    if (id === undefined) continue
    if (!isUuid(id)) invalid(`Invalid query string parameters: '${id}' is not a 'uuid'.`)
    filter[field] = id
  }
  const resources = one(query, 'resources')
  if (resources !== undefined) {
    filter.resources = readResources(resources)
    await requireClasses(db, region, filter.resources.keys())
  }
  const { required, forbidden } = readTraits(req, 'required')
  await requireTraits(db, region, [...required.flat(), ...forbidden])
  filter.requiredTraits = required
  filter.forbiddenTraits = forbidden
  return filter
}
