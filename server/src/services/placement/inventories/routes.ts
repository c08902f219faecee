import { type Static, Type } from 'typebox'
import { Fault } from '#lib/fault.ts'
import { reply, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { atLeast, fresh, freshness, requestedProvider } from '../http.ts'
import type { Inventory, Provider } from '../model.ts'
import {
  addInventory,
  getInventory,
  listInventories,
  type NewInventory,
  removeInventory,
  setInventories,
  updateInventory,
} from './model.ts'

const largest = 2_147_483_647
const Whole = (minimum: number) => Type.Integer({ minimum, maximum: largest })
const numbers = {
  total: Whole(1),
  reserved: Type.Optional(Whole(0)),
  min_unit: Type.Optional(Whole(1)),
  max_unit: Type.Optional(Whole(1)),
  step_size: Type.Optional(Whole(1)),
  allocation_ratio: Type.Optional(Type.Number({ maximum: 3.40282e38 })),
}
const classPattern = '^[A-Z0-9_]+$'
const SetInventories = strict({
  resource_provider_generation: Type.Integer(),
  inventories: Type.Record(
    Type.String({ pattern: classPattern }),
    strict({ resource_provider_generation: Type.Optional(Type.Integer()), ...numbers }),
    { additionalProperties: false },
  ),
})
const AddInventory = strict({
  resource_class: Type.String({ pattern: classPattern }),
  resource_provider_generation: Type.Optional(Type.Integer()),
  ...numbers,
})
const UpdateInventory = strict({ resource_provider_generation: Type.Integer(), ...numbers })

type Numbers = Omit<Static<typeof UpdateInventory>, 'resource_provider_generation'>

function read(resourceClass: string, body: Numbers): NewInventory {
  return {
    resourceClass,
    total: body.total,
    reserved: body.reserved ?? 0,
    minUnit: body.min_unit ?? 1,
    maxUnit: body.max_unit ?? largest,
    stepSize: body.step_size ?? 1,
    allocationRatio: body.allocation_ratio ?? 1,
  }
}

const shown = (row: Omit<Inventory, 'providerId' | 'used'>) => ({
  total: row.total,
  reserved: row.reserved,
  min_unit: row.minUnit,
  max_unit: row.maxUnit,
  step_size: row.stepSize,
  allocation_ratio: row.allocationRatio,
})
const shownWith = ({ generation }: Provider, row: NewInventory) => ({
  ...shown(row),
  resource_provider_generation: generation,
})
const shownAll = ({ generation }: Provider, rows: readonly NewInventory[]) => ({
  resource_provider_generation: generation,
  inventories: Object.fromEntries(rows.map((row) => [row.resourceClass, shown(row)])),
})

const all = '/resource_providers/:id/inventories'
const one = `${all}/:resource_class`

export const inventoryRoutes = [
  route({
    method: 'GET',
    path: all,
    policy: 'placement:resource_providers:inventories:list',
    target: requestedProvider,
    handle: async (req, provider) =>
      fresh(req, shownAll(provider, await listInventories(req.db, provider.id)), provider.updatedAt),
  }),
  route({
    method: 'POST',
    path: all,
    policy: 'placement:resource_providers:inventories:create',
    body: AddInventory,
    target: requestedProvider,
    async handle(req, provider) {
      const row = read(req.body.resource_class, req.body)
      const changed = await req.db.transaction((tx) => addInventory(tx, provider, row, atLeast(req, '1.26')))
      const location = `${req.view.baseUrl}/resource_providers/${provider.id}/inventories/${row.resourceClass}`
      return reply({
        status: 201,
        body: shownWith(changed, row),
        headers: { location, ...freshness(req, changed.updatedAt) },
      })
    },
  }),
  route({
    method: 'PUT',
    path: all,
    policy: 'placement:resource_providers:inventories:update',
    body: SetInventories,
    target: requestedProvider,
    async handle(req, provider) {
      const rows = Object.entries(req.body.inventories).map(([name, body]) => read(name, body))
      const { resource_provider_generation: generation } = req.body
      const changed = await req.db.transaction((tx) =>
        setInventories(tx, provider, generation, rows, atLeast(req, '1.26')),
      )
      return fresh(req, shownAll(changed, rows), changed.updatedAt)
    },
  }),
  route({
    method: 'DELETE',
    path: all,
    policy: 'placement:resource_providers:inventories:delete',
    target: requestedProvider,
    async handle(req, provider) {
      if (!atLeast(req, '1.5'))
        throw new Fault('methodNotAllowed', 'The method DELETE is not allowed for this resource before version 1.5.')
      await req.db.transaction((tx) => setInventories(tx, provider, undefined, [], true))
    },
  }),
  route({
    method: 'GET',
    path: one,
    policy: 'placement:resource_providers:inventories:show',
    target: requestedProvider,
    async handle(req, provider) {
      const row = await getInventory(req.db, provider.id, req.params['resource_class']!)
      return fresh(req, shownWith(provider, row), provider.updatedAt)
    },
  }),
  route({
    method: 'PUT',
    path: one,
    policy: 'placement:resource_providers:inventories:update',
    body: UpdateInventory,
    target: requestedProvider,
    async handle(req, provider) {
      const row = read(req.params['resource_class']!, req.body)
      const { resource_provider_generation: generation } = req.body
      const changed = await req.db.transaction((tx) =>
        updateInventory(tx, provider, generation, row, atLeast(req, '1.26')),
      )
      return fresh(req, shownWith(changed, row), changed.updatedAt)
    },
  }),
  route({
    method: 'DELETE',
    path: one,
    policy: 'placement:resource_providers:inventories:delete',
    target: requestedProvider,
    async handle({ db, params }, provider) {
      await db.transaction((tx) => removeInventory(tx, provider, params['resource_class']!))
    },
  }),
]
