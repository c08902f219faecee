import { notFound } from '#lib/fault.ts'
import { type Request, route } from '#lib/http/route.ts'
import { change } from '../../change.ts'
import { findDomain } from '../../domains/model.ts'
import { given } from '../../fields.ts'
import { flag, listLinks, readIdentityPage, readTextFilters } from '../../lists.ts'
import { routeOn } from '../../route-on.ts'
import { requireOwnId } from '../names.ts'
import {
  findIdentityProvider,
  insertIdentityProvider,
  listIdentityProviders,
  removeIdentityProvider,
  updateIdentityProvider,
} from './model.ts'
import { CreateIdentityProvider, UpdateIdentityProvider } from './schema.ts'
import { identityProviderView, providersPath } from './views.ts'

const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findIdentityProvider(db, params['idp']!)
const on = {
  path: `${providersPath}/:idp`,
  param: 'idp',
  noun: 'Identity Provider',
  find,
  about: () => ({}),
} as const

export const identityProviderRoutes = [
  route({
    method: 'GET',
    path: providersPath,
    policy: 'identity:list_identity_providers',
    async handle(req) {
      const { db, query, view } = req
      const filter = { text: readTextFilters(query, ['id']), enabled: flag(query, 'enabled') }
      const { rows, more } = await listIdentityProviders(db, filter, readIdentityPage(query))
      return identityProviderView.list(rows, view, listLinks(req, rows, more))
    },
  }),
  route({
    method: 'PUT',
    path: on.path,
    policy: 'identity:create_identity_provider',
    status: 201,
    body: CreateIdentityProvider,
    async handle({ db, body, view, params }) {
      const given = body.identity_provider
      const domainId = given.domain_id ?? null
      if (domainId !== null && !(await findDomain(db, domainId))) notFound('Domain', domainId)
      const spec = {
        id: requireOwnId(params['idp']!),
        domainId,
        enabled: given.enabled ?? false,
        description: given.description ?? null,
        authorizationTtlMinutes: given.authorization_ttl ?? null,
        remoteIds: given.remote_ids ?? [],
      }
      return identityProviderView.show(await change(db, (tx) => insertIdentityProvider(tx, spec)), view)
    },
  }),
  routeOn({
    method: 'GET',
    policy: 'identity:get_identity_provider',
    ...on,
    handle: async ({ view }, row) => identityProviderView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    policy: 'identity:update_identity_provider',
    body: UpdateIdentityProvider,
    ...on,
    async handle({ db, body, view }, { id }) {
      const asked = body.identity_provider
      const fields = given({
        enabled: asked.enabled,
        description: asked.description,
        authorizationTtlMinutes: asked.authorization_ttl,
        remoteIds: asked.remote_ids === null ? [] : asked.remote_ids,
      })
      return identityProviderView.show(await change(db, (tx) => updateIdentityProvider(tx, id, fields)), view)
    },
  }),
  routeOn({
    method: 'DELETE',
    policy: 'identity:delete_identity_provider',
    ...on,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeIdentityProvider(tx, id))
    },
  }),
]
