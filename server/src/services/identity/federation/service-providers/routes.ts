import { type Request, route } from '#lib/http/route.ts'
import { view } from '#lib/view.ts'
import { change } from '../../change.ts'
import { given } from '../../fields.ts'
import { flag, listLinks, readIdentityPage, readTextFilters } from '../../lists.ts'
import { routeOn } from '../../route-on.ts'
import { requireOwnId } from '../names.ts'
import {
  findServiceProvider,
  insertServiceProvider,
  listServiceProviders,
  removeServiceProvider,
  type ServiceProvider,
  updateServiceProvider,
} from './model.ts'
import { CreateServiceProvider, UpdateServiceProvider } from './schema.ts'

/** Keystone's default. */
const relayStatePrefix = 'ss:mem:'
const path = '/OS-FEDERATION/service_providers'

const serviceProviderView = view<ServiceProvider>(['service_provider', 'service_providers'], {
  id: (p) => p.id,
  auth_url: (p) => p.authUrl,
  sp_url: (p) => p.spUrl,
  enabled: (p) => p.enabled,
  description: (p) => p.description,
  relay_state_prefix: (p) => p.relayStatePrefix,
  links: (p, { baseUrl }) => ({ self: `${baseUrl}${path}/${encodeURIComponent(p.id)}` }),
})
const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findServiceProvider(db, params['sp']!)
const on = { path: `${path}/:sp`, param: 'sp', noun: 'Service Provider', find, about: () => ({}) } as const

export const serviceProviderRoutes = [
  route({
    method: 'GET',
    path,
    policy: 'identity:list_service_providers',
    async handle(req) {
      const { db, query, view } = req
      const filter = { text: readTextFilters(query, ['id']), enabled: flag(query, 'enabled') }
      const { rows, more } = await listServiceProviders(db, filter, readIdentityPage(query))
      return serviceProviderView.list(rows, view, listLinks(req, rows, more))
    },
  }),
  route({
    method: 'PUT',
    path: on.path,
    policy: 'identity:create_service_provider',
    status: 201,
    body: CreateServiceProvider,
    async handle({ db, body, view, params }) {
      const asked = body.service_provider
      const spec = {
        id: requireOwnId(params['sp']!),
        authUrl: asked.auth_url,
        spUrl: asked.sp_url,
        enabled: asked.enabled ?? false,
        description: asked.description ?? null,
        relayStatePrefix: asked.relay_state_prefix ?? relayStatePrefix,
      }
      return serviceProviderView.show(await change(db, (tx) => insertServiceProvider(tx, spec)), view)
    },
  }),
  routeOn({
    method: 'GET',
    policy: 'identity:get_service_provider',
    ...on,
    handle: async ({ view }, row) => serviceProviderView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    policy: 'identity:update_service_provider',
    body: UpdateServiceProvider,
    ...on,
    async handle({ db, body, view }, { id }) {
      const asked = body.service_provider
      const fields = given({
        authUrl: asked.auth_url,
        spUrl: asked.sp_url,
        enabled: asked.enabled,
        description: asked.description,
        relayStatePrefix: asked.relay_state_prefix === null ? relayStatePrefix : asked.relay_state_prefix,
      })
      return serviceProviderView.show(await change(db, (tx) => updateServiceProvider(tx, id, fields)), view)
    },
  }),
  routeOn({
    method: 'DELETE',
    policy: 'identity:delete_service_provider',
    ...on,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeServiceProvider(tx, id))
    },
  }),
]
