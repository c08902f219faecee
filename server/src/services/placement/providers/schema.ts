import { Type } from 'typebox'
import { nullable, since, strict, Uuid } from '#lib/http/schema.ts'

const ProviderName = Type.String({ minLength: 1, maxLength: 200 })

export const CreateProvider = strict({
  name: ProviderName,
  uuid: Type.Optional(Uuid),
  parent_provider_uuid: Type.Optional(since('1.14', nullable(Uuid))),
})
export const UpdateProvider = strict({
  name: ProviderName,
  parent_provider_uuid: Type.Optional(since('1.14', nullable(Uuid))),
})
