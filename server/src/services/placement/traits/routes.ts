import { Type } from 'typebox'
import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { fresh, freshness, requireQuery, requestedProvider } from '../http.ts'
import type { Provider } from '../model.ts'
import { changeProvider } from '../providers/model.ts'
import { addTrait, listTraits, removeTrait, requireTrait, requireTraits, type TraitFilter } from './model.ts'

const SetTraits = strict({
  traits: Type.Array(Type.String({ minLength: 1, maxLength: 255 })),
  resource_provider_generation: Type.Integer(),
})

const ofProvider = ({ traits, generation }: Provider) => ({
  traits: traits.toSorted(),
  resource_provider_generation: generation,
})

export const traitRoutes = [
  route({
    method: 'GET',
    path: '/traits',
    policy: 'placement:traits:list',
    since: '1.6',
    async handle(req) {
      requireQuery(req, { name: '1.6', associated: '1.6' })
      return fresh(req, { traits: await listTraits(req.db, req.region, readFilter(req)) })
    },
  }),
  route({
    method: 'GET',
    path: '/traits/:name',
    policy: 'placement:traits:show',
    since: '1.6',
    async handle(req) {
      await requireTrait(req.db, req.region, req.params['name']!)
      return reply({ status: 204, body: undefined, headers: freshness(req) })
    },
  }),
  route({
    method: 'PUT',
    path: '/traits/:name',
    policy: 'placement:traits:update',
    since: '1.6',
    async handle(req) {
      const name = req.params['name']!
      const added = await req.db.transaction((tx) => addTrait(tx, req.region, name))
      const location = `${req.view.baseUrl}/traits/${name}`
      return reply({ status: added ? 201 : 204, body: undefined, headers: { location, ...freshness(req) } })
    },
  }),
  route({
    method: 'DELETE',
    path: '/traits/:name',
    policy: 'placement:traits:delete',
    since: '1.6',
    async handle({ db, region, params }) {
      await db.transaction((tx) => removeTrait(tx, region, params['name']!))
    },
  }),
  route({
    method: 'GET',
    path: '/resource_providers/:id/traits',
    policy: 'placement:resource_providers:traits:list',
    since: '1.6',
    target: requestedProvider,
    handle: async (req, provider) => fresh(req, ofProvider(provider), provider.updatedAt),
  }),
  route({
    method: 'PUT',
    path: '/resource_providers/:id/traits',
    policy: 'placement:resource_providers:traits:update',
    since: '1.6',
    body: SetTraits,
    target: requestedProvider,
    async handle(req, provider) {
      const { traits, resource_provider_generation: generation } = req.body
      const changed = await req.db.transaction(async (tx) => {
        await requireTraits(tx, req.region, traits)
        return changeProvider(tx, provider.id, generation, { traits: [...new Set(traits)] })
      })
      return fresh(req, ofProvider(changed), changed.updatedAt)
    },
  }),
  route({
    method: 'DELETE',
    path: '/resource_providers/:id/traits',
    policy: 'placement:resource_providers:traits:delete',
    since: '1.6',
    target: requestedProvider,
    async handle({ db }, provider) {
      await db.transaction((tx) => changeProvider(tx, provider.id, undefined, { traits: [] }))
    },
  }),
]

function readFilter({ query }: Pick<Request, 'query'>): TraitFilter {
  const filter: TraitFilter = {}
  const name = one(query, 'name')
  if (name?.startsWith('in:')) filter.among = name.slice(3).split(',')
  else if (name?.startsWith('startswith:')) filter.prefix = name.slice('startswith:'.length)
  else if (name !== undefined)
    invalid(
      `Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: "${name}"`,
    )
  const associated = one(query, 'associated')?.toLowerCase()
  if (associated !== undefined && associated !== 'true' && associated !== 'false')
    invalid('The query parameter "associated" only accepts "true" or "false"')
  if (associated !== undefined) filter.associated = associated === 'true'
  return filter
}
