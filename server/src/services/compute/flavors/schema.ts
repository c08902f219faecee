import { Type } from 'typebox'
import { Bool, Name, nullable, since, strict } from '#lib/http/schema.ts'
import { Count, keyPattern } from '../wire.ts'

const FlavorId = Type.Union([
  Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[a-zA-Z0-9. _-]+(?<! )$' }),
  Type.Number(),
  Type.Null(),
])
const Description = nullable(Type.String({ maxLength: 65535 }))

export const CreateFlavor = strict({
  flavor: strict({
    name: Name,
    id: Type.Optional(FlavorId),
    ram: Count,
    vcpus: Count,
    disk: Count,
    'OS-FLV-EXT-DATA:ephemeral': Type.Optional(Count),
    swap: Type.Optional(Type.Union([Count, Type.Literal('')])),
    rxtx_factor: Type.Optional(
      Type.Union([
        Type.Number({ exclusiveMinimum: 0, maximum: 3.402823466e38 }),
        Type.String({ pattern: '^[0-9]{1,38}(\\.[0-9]{1,38})?$' }),
      ]),
    ),
    'os-flavor-access:is_public': Type.Optional(Bool),
    description: Type.Optional(since('2.55', Description)),
  }),
})

export const UpdateFlavor = strict({ flavor: strict({ description: Description }) })

export const SpecValue = Type.Union([Type.String({ maxLength: 255 }), Type.Number()])
export const ExtraSpecs = Type.Record(Type.String({ pattern: keyPattern }), SpecValue, { additionalProperties: false })
export const CreateExtraSpecs = strict({ extra_specs: ExtraSpecs })
export const UpdateExtraSpec = Type.Record(Type.String({ pattern: keyPattern }), SpecValue, {
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
})

export const TenantAccess = strict({
  tenant: Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-]*$' }),
})
