import type { Tx } from '#lib/db.ts'
import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { given, mergeExtra, ownAttributes } from '../fields.ts'
import { findRegion, insertRegion } from '../regions/model.ts'
import { routeOn } from '../route-on.ts'
import { findEndpoint, insertEndpoint, listEndpoints, removeEndpoint, updateEndpoint } from './model.ts'
import { CreateEndpoint, UpdateEndpoint } from './schema.ts'
import { endpointView } from './views.ts'

const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findEndpoint(db, params['id']!)
const on = { noun: 'Endpoint', find, about: () => ({}) }

const placeholders = new Set(['tenant_id', 'project_id', 'user_id', 'public_url'])

/** An address may name the project and the user of the token and nothing else. */
function requireTemplate(url: string): void {
  for (const [, name = ''] of url.matchAll(/[$%]\(([^)]*)\)/g))
    if (!placeholders.has(name)) invalid(`The URL has a placeholder that is not known: ${name.slice(0, 60)}.`)
  if (/[$%]\([^)]*(\)(?!s)|$)/.test(url)) invalid('The URL has a placeholder that is not of the form $(name)s.')
}

/** `region_id` must be there; `region`, the older word for it, makes it. */
async function regionOf(
  tx: Tx,
  asked: { region?: string | null; region_id?: string | null },
): Promise<string | null | undefined> {
  if (asked.region_id !== undefined && asked.region_id !== null) return asked.region_id
  if (!asked.region) return asked.region_id ?? asked.region
  if (!(await findRegion(tx, asked.region)))
    await insertRegion(tx, { description: '', parentRegionId: null, extra: {} }, asked.region)
  return asked.region
}

export const endpointRoutes = [
  route({
    method: 'POST',
    path: '/endpoints',
    policy: 'identity:create_endpoint',
    status: 201,
    body: CreateEndpoint,
    async handle({ db, body, view, world }) {
      const {
        service_id: serviceId,
        interface: face,
        url,
        enabled = true,
        name = null,
        region,
        region_id: regionId,
        ...rest
      } = body.endpoint
      requireTemplate(url)
      const row = await change(db, async (tx) =>
        insertEndpoint(tx, {
          serviceId,
          interface: face,
          url,
          enabled,
          name,
          regionId: (await regionOf(tx, given({ region, region_id: regionId }))) ?? null,
          extra: ownAttributes(rest),
        }),
      )
      return endpointView(world).show(row, view)
    },
  }),
  route({
    method: 'GET',
    path: '/endpoints',
    policy: 'identity:list_endpoints',
    async handle(req) {
      const { db, query, world } = req
      const rows = await listEndpoints(db, {
        serviceId: one(query, 'service_id'),
        regionId: one(query, 'region_id') ?? one(query, 'region'),
        interface: one(query, 'interface'),
        name: one(query, 'name'),
      })
      return endpointView(world).list(rows, req)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/endpoints/:id',
    policy: 'identity:get_endpoint',
    tells: true,
    ...on,
    handle: async ({ view, world }, row) => endpointView(world).show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/endpoints/:id',
    policy: 'identity:update_endpoint',
    tells: true,
    body: UpdateEndpoint,
    ...on,
    async handle({ db, body, view, world }, before) {
      const {
        service_id: serviceId,
        interface: face,
        url,
        enabled,
        name,
        region,
        region_id: regionId,
        ...rest
      } = body.endpoint
      if (url !== undefined) requireTemplate(url)
      const row = await change(db, async (tx) =>
        updateEndpoint(
          tx,
          before.id,
          given({
            serviceId,
            interface: face,
            url,
            enabled,
            name,
            regionId: await regionOf(tx, given({ region, region_id: regionId })),
            extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
          }),
        ),
      )
      return endpointView(world).show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/endpoints/:id',
    policy: 'identity:delete_endpoint',
    tells: true,
    ...on,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeEndpoint(tx, id))
    },
  }),
]
