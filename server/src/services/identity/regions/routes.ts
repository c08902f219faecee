import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import type { Static } from 'typebox'
import { change } from '../change.ts'
import { given, mergeExtra, ownAttributes } from '../fields.ts'
import type { Region } from '../model.ts'
import { routeOn } from '../route-on.ts'
import { identityView } from '../shown.ts'
import { findRegion, insertRegion, listRegions, removeRegion, updateRegion } from './model.ts'
import { CreateRegion, UpdateRegion } from './schema.ts'

const regionView = identityView<Region>(['region', 'regions'], '/regions', {
  description: (r) => r.description,
  parent_region_id: (r) => r.parentRegionId,
})
const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findRegion(db, params['id']!)
const on = { noun: 'Region', find, about: () => ({}) }

async function create(
  { db, body, view }: Pick<Request<Static<typeof CreateRegion>>, 'db' | 'body' | 'view'>,
  id: string | undefined,
) {
  const { description, parent_region_id: parentRegionId = null, id: _id, ...rest } = body.region
  const spec = {
    description: description ?? '',
    parentRegionId: parentRegionId || null,
    extra: ownAttributes(rest),
  }
  return regionView.show(await change(db, (tx) => insertRegion(tx, spec, id)), view)
}

export const regionRoutes = [
  route({
    method: 'POST',
    path: '/regions',
    policy: 'identity:create_region',
    status: 201,
    body: CreateRegion,
    handle: async (req) => create(req, req.body.region.id),
  }),
  route({
    method: 'PUT',
    path: '/regions/:id',
    policy: 'identity:create_region',
    status: 201,
    body: CreateRegion,
    async handle(req) {
      const id = req.params['id']!
      if (req.body.region.id !== undefined && req.body.region.id !== id)
        invalid('The region id in the request is not that of the URL.')
      return create(req, id)
    },
  }),
  route({
    method: 'GET',
    path: '/regions',
    policy: 'identity:list_regions',
    handle: async (req) => regionView.list(await listRegions(req.db, one(req.query, 'parent_region_id')), req),
  }),
  routeOn({
    method: 'GET',
    path: '/regions/:id',
    policy: 'identity:get_region',
    ...on,
    handle: async ({ view }, row) => regionView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/regions/:id',
    policy: 'identity:update_region',
    body: UpdateRegion,
    ...on,
    async handle({ db, body, view }, before) {
      const { description, parent_region_id: parentRegionId, id, ...rest } = body.region
      if (id !== undefined && id !== before.id) invalid('A region keeps its id.')
      const fields = given({
        description: description === null ? '' : description,
        parentRegionId,
        extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
      })
      return regionView.show(await change(db, (tx) => updateRegion(tx, before.id, fields)), view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/regions/:id',
    policy: 'identity:delete_region',
    ...on,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeRegion(tx, id))
    },
  }),
]
