import { type Request, route } from '#lib/http/route.ts'
import { nullable } from '#lib/http/schema.ts'
import { Type } from 'typebox'
import { change } from '../change.ts'
import { Description, Enabled, given, mergeExtra, ownAttributes, requestOf } from '../fields.ts'
import { readTextFilters } from '../lists.ts'
import type { ServiceRow } from '../model.ts'
import { routeOn } from '../route-on.ts'
import { identityView } from '../shown.ts'
import { findService, insertService, listServices, removeService, updateService } from './model.ts'

const ServiceType = Type.String({ minLength: 1, maxLength: 255 })
const fields = {
  name: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
  description: Type.Optional(Description),
  enabled: Type.Optional(Enabled),
}
const CreateService = requestOf('service', { type: ServiceType, ...fields })
const UpdateService = requestOf('service', { type: Type.Optional(ServiceType), ...fields }, { minProperties: 1 })

const serviceView = identityView<ServiceRow>(['service', 'services'], '/services', {
  type: (s) => s.type,
  name: (s) => s.name ?? '',
  description: (s) => s.description ?? undefined,
  enabled: (s) => s.enabled,
})
const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findService(db, params['id']!)
const on = { noun: 'Service', find, about: () => ({}) }

export const serviceRoutes = [
  route({
    method: 'POST',
    path: '/services',
    policy: 'identity:create_service',
    status: 201,
    body: CreateService,
    async handle({ db, body, view }) {
      const { type, name = null, description = null, enabled = true, ...rest } = body.service
      const spec = { type, name, description, enabled, extra: ownAttributes(rest) }
      return serviceView.show(await change(db, (tx) => insertService(tx, spec)), view)
    },
  }),
  route({
    method: 'GET',
    path: '/services',
    policy: 'identity:list_services',
    handle: async (req) =>
      serviceView.list(await listServices(req.db, readTextFilters(req.query, ['name', 'type'])), req),
  }),
  routeOn({
    method: 'GET',
    path: '/services/:id',
    policy: 'identity:get_service',
    ...on,
    handle: async ({ view }, row) => serviceView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/services/:id',
    policy: 'identity:update_service',
    body: UpdateService,
    ...on,
    async handle({ db, body, view }, before) {
      const { type, name, description, enabled, ...rest } = body.service
      const extra = Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined
      const row = await change(db, (tx) =>
        updateService(tx, before.id, given({ type, name, description, enabled, extra })),
      )
      return serviceView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/services/:id',
    policy: 'identity:delete_service',
    ...on,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeService(tx, id))
    },
  }),
]
