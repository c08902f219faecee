import type { Static } from 'typebox'
import { Fault, invalid } from '#lib/fault.ts'
import { route } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { release } from '../claims/claim.ts'
import { atLeast, canonicalUuid, fresh, requestedProvider } from '../http.ts'
import { type Held, listAllocations } from './model.ts'
import { type Holding, replaceAllocations } from './replace.ts'
import { SetAllocations, SetManyAllocations } from './schema.ts'

/** Whose allocations are whose where a request before 1.8 does not say. */
const unknownOwner = '00000000-0000-0000-0000-000000000000'

type Asked = { version: number }
type Body = Static<typeof SetAllocations>

function holdingOf(req: Asked, consumerId: string, body: Body): Holding {
  const { allocations } = body
  const pairs = Array.isArray(allocations)
    ? allocations.map((each) => [each.resource_provider.uuid, each.resources] as const)
    : Object.entries(allocations).map(([id, { resources }]) => [id, resources] as const)
  return {
    consumerId: canonicalUuid(consumerId),
    projectId: atLeast(req, '1.8') ? body.project_id : unknownOwner,
    userId: atLeast(req, '1.8') ? body.user_id : unknownOwner,
    type: atLeast(req, '1.38') ? body.consumer_type : undefined,
    generation: atLeast(req, '1.28') ? body.consumer_generation : undefined,
    resources: new Map(pairs.map(([id, resources]) => [canonicalUuid(id), resources])),
  }
}

function ofConsumer(req: Asked, held: readonly Held[]) {
  const [first] = held
  return {
    allocations: Object.fromEntries(
      held.map(({ providerId, providerGeneration: generation, resources }) => [providerId, { generation, resources }]),
    ),
    ...(first && atLeast(req, '1.12') && { project_id: first.projectId, user_id: first.userId }),
    ...(first && atLeast(req, '1.28') && { consumer_generation: first.consumerGeneration }),
    ...(first && atLeast(req, '1.38') && { consumer_type: first.type ?? 'unknown' }),
  }
}

export const allocationRoutes = [
  route({
    method: 'GET',
    path: '/allocations/:consumer',
    policy: 'placement:allocations:list',
    async handle(req) {
      // a consumer that nobody knows holds nothing: that is no error
      const id = req.params['consumer']!
      const held = isUuid(id) ? await listAllocations(req.db, req.region, { consumerIds: [id] }) : []
      return fresh(req, ofConsumer(req, held), held[0]?.since)
    },
  }),
  route({
    method: 'PUT',
    path: '/allocations/:consumer',
    policy: 'placement:allocations:update',
    body: SetAllocations,
    async handle(req) {
      const { db, region, body } = req
      const id = req.params['consumer']!
      if (!isUuid(id)) invalid(`Malformed consumer_uuid: ${id}`)
      await db.transaction((tx) => replaceAllocations(tx, region, [holdingOf(req, id, body)]))
    },
  }),
  route({
    method: 'POST',
    path: '/allocations',
    policy: 'placement:allocations:manage',
    since: '1.13',
    body: SetManyAllocations,
    async handle(req) {
      const holdings = Object.entries(req.body).map(([id, body]) => holdingOf(req, id, body))
      if (new Set(holdings.map(({ consumerId }) => consumerId)).size < holdings.length)
        invalid('JSON does not validate: a consumer is there twice.')
      await req.db.transaction((tx) => replaceAllocations(tx, req.region, holdings))
    },
  }),
  route({
    method: 'DELETE',
    path: '/allocations/:consumer',
    policy: 'placement:allocations:delete',
    async handle({ db, region, params }) {
      const id = params['consumer']!
      await db.transaction(async (tx) => {
        const held = isUuid(id) ? await listAllocations(tx, region, { consumerIds: [id] }) : []
        if (held.length === 0) throw new Fault('notFound', `No allocations for consumer '${id}'`)
        await release(tx, id)
      })
    },
  }),
  route({
    method: 'GET',
    path: '/resource_providers/:id/allocations',
    policy: 'placement:resource_providers:allocations:list',
    target: requestedProvider,
    async handle(req, provider) {
      const held = await listAllocations(req.db, req.region, { providerId: provider.id })
      const shown = held.map(({ consumerId, resources, consumerGeneration }) => [
        consumerId,
        { resources, ...(atLeast(req, '1.28') && { consumer_generation: consumerGeneration }) },
      ])
      return fresh(req, {
        allocations: Object.fromEntries(shown),
        resource_provider_generation: provider.generation,
      })
    },
  }),
]
