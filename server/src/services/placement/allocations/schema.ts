import { Type, type TSchema } from 'typebox'
import { nullable, since, strict, until, Uuid } from '#lib/http/schema.ts'

const Amounts = Type.Record(
  Type.String({ pattern: '^[A-Z0-9_]+$' }),
  Type.Integer({ minimum: 1, maximum: 2_147_483_647 }),
  {
    additionalProperties: false,
    minProperties: 1,
  },
)
const uuidPattern = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$'
const byUuid = <Value extends TSchema>(value: Value, minProperties: number) =>
  Type.Record(Type.String({ pattern: uuidPattern }), value, { additionalProperties: false, minProperties })

const OfProvider = strict({ resources: Amounts, generation: Type.Optional(Type.Integer()) })
const Owner = Type.String({ minLength: 1, maxLength: 255 })
/** In the words of 1.12 and later. */
const Mappings = Type.Record(Type.String({ pattern: '^[a-zA-Z0-9_-]{0,64}$' }), Type.Array(Uuid, { minItems: 1 }))
const ConsumerType = Type.String({ pattern: '^[A-Z0-9_]+$', minLength: 1, maxLength: 255 })

export const SetAllocations = strict({
  allocations: Type.Union([
    until(
      '1.11',
      Type.Array(strict({ resource_provider: strict({ uuid: Uuid }), resources: Amounts }), { minItems: 1 }),
    ),
    since('1.12', until('1.27', byUuid(OfProvider, 1))),
    since('1.28', byUuid(OfProvider, 0)),
  ]),
  project_id: since('1.8', Owner),
  user_id: since('1.8', Owner),
  consumer_generation: since('1.28', nullable(Type.Integer())),
  mappings: Type.Optional(since('1.34', Mappings)),
  consumer_type: since('1.38', ConsumerType),
})

export const SetManyAllocations = byUuid(
  strict({
    allocations: byUuid(OfProvider, 0),
    project_id: Owner,
    user_id: Owner,
    consumer_generation: since('1.28', nullable(Type.Integer())),
    mappings: Type.Optional(since('1.34', Mappings)),
    consumer_type: since('1.38', ConsumerType),
  }),
  1,
)
