import { invalid, notFound } from '#lib/fault.ts'
import { type Request, route } from '#lib/http/route.ts'
import { view } from '#lib/view.ts'
import { change } from '../../change.ts'
import { given } from '../../fields.ts'
import { listLinks } from '../../lists.ts'
import { routeOn } from '../../route-on.ts'
import { findIdentityProvider } from '../identity-providers/model.ts'
import { providersPath } from '../identity-providers/views.ts'
import { findMapping } from '../mappings/model.ts'
import { requireOwnId } from '../names.ts'
import { oidcSettings } from '../oidc/settings.ts'
import { samlSettings } from '../saml/settings.ts'
import { findProtocol, insertProtocol, listProtocols, type Protocol, removeProtocol, updateProtocol } from './model.ts'
import { CreateProtocol, UpdateProtocol } from './schema.ts'
import { readSpeech } from './speech.ts'

const path = `${providersPath}/:idp/protocols`

const protocolView = view<Protocol>(['protocol', 'protocols'], {
  id: (p) => p.id,
  mapping_id: (p) => p.mappingId,
  remote_id_attribute: (p) => p.remoteIdAttribute ?? undefined,
  // our own: without the secret
  oidc: (p) => oidcSettings(p),
  saml: (p) => samlSettings(p),
  links: (p, { baseUrl }) => {
    const provider = `${baseUrl}${providersPath}/${encodeURIComponent(p.providerId)}`
    return { self: `${provider}/protocols/${encodeURIComponent(p.id)}`, identity_provider: provider }
  },
})
const keyOf = ({ params }: Pick<Request, 'params'>) => ({ providerId: params['idp']!, id: params['protocol']! })
const on = {
  path: `${path}/:protocol`,
  param: 'protocol',
  noun: 'Federation Protocol',
  find: (req: Pick<Request, 'db' | 'params'>) => findProtocol(req.db, keyOf(req)),
  about: () => ({}),
} as const

async function requireMapping({ db }: Pick<Request, 'db'>, id: string): Promise<void> {
  if (!(await findMapping(db, id))) invalid(`Invalid mapping id: ${id}`)
}

export const protocolRoutes = [
  routeOn({
    method: 'GET',
    path,
    policy: 'identity:list_protocols',
    param: 'idp',
    noun: 'Identity Provider',
    find: ({ db, params }) => findIdentityProvider(db, params['idp']!),
    about: () => ({}),
    handle: async (req, { id }) => protocolView.list(await listProtocols(req.db, id), req.view, listLinks(req)),
  }),
  route({
    method: 'PUT',
    path: on.path,
    policy: 'identity:create_protocol',
    status: 201,
    body: CreateProtocol,
    async handle(req) {
      const { db, body, view, world } = req
      const key = keyOf(req)
      const { mapping_id: mappingId, remote_id_attribute: remoteIdAttribute = null } = body.protocol
      requireOwnId(key.id)
      if (!(await findIdentityProvider(db, key.providerId))) notFound('Identity Provider', key.providerId)
      await requireMapping(req, mappingId)
      const speech = await readSpeech(world, body.protocol, undefined)
      const row = await change(db, (tx) => insertProtocol(tx, { ...key, mappingId, remoteIdAttribute, speech }))
      return protocolView.show(row, view)
    },
  }),
  routeOn({
    method: 'GET',
    policy: 'identity:get_protocol',
    ...on,
    handle: async ({ view }, row) => protocolView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    policy: 'identity:update_protocol',
    body: UpdateProtocol,
    ...on,
    async handle(req, row) {
      const { db, body, view, world } = req
      const { mapping_id: mappingId, remote_id_attribute: remoteIdAttribute } = body.protocol
      if (mappingId !== undefined) await requireMapping(req, mappingId)
      const speech = await readSpeech(world, body.protocol, row)
      const fields = given({ mappingId, remoteIdAttribute, speech })
      return protocolView.show(await change(db, (tx) => updateProtocol(tx, row, fields)), view)
    },
  }),
  routeOn({
    method: 'DELETE',
    policy: 'identity:delete_protocol',
    ...on,
    async handle({ db }, row) {
      await change(db, (tx) => removeProtocol(tx, row))
    },
  }),
]
