import { Type } from 'typebox'
import { invalid } from '#lib/fault.ts'
import { route } from '#lib/http/route.ts'
import { since, strict, until, Uuid } from '#lib/http/schema.ts'
import { atLeast, fresh, requestedProvider } from '../http.ts'
import type { Provider } from '../model.ts'
import { changeProvider } from '../providers/model.ts'

const Ids = Type.Array(Uuid)
const SetAggregates = Type.Union([
  until('1.18', Ids),
  since('1.19', strict({ aggregates: Ids, resource_provider_generation: Type.Integer() })),
])

const shown = (req: { version: number }, { aggregates, generation }: Provider) => ({
  aggregates,
  ...(atLeast(req, '1.19') && { resource_provider_generation: generation }),
})

export const aggregateRoutes = [
  route({
    method: 'GET',
    path: '/resource_providers/:id/aggregates',
    policy: 'placement:resource_providers:aggregates:list',
    since: '1.1',
    target: requestedProvider,
    handle: async (req, provider) => fresh(req, shown(req, provider)),
  }),
  route({
    method: 'PUT',
    path: '/resource_providers/:id/aggregates',
    policy: 'placement:resource_providers:aggregates:update',
    since: '1.1',
    body: SetAggregates,
    target: requestedProvider,
    async handle(req, provider) {
      const { body } = req
      const [ids, generation] = Array.isArray(body)
        ? [body, undefined]
        : [body.aggregates, body.resource_provider_generation]
      const aggregates = [...new Set(ids)]
      if (aggregates.length !== ids.length) invalid('JSON does not validate: the aggregates are not unique.')
      const changed = await req.db.transaction((tx) => changeProvider(tx, provider.id, generation, { aggregates }))
      return fresh(req, shown(req, changed))
    },
  }),
]
