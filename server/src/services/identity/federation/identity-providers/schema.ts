import { Type } from 'typebox'
import { nullable, strict } from '#lib/http/schema.ts'
import { Description, Enabled, Id } from '../../fields.ts'

const fields = {
  enabled: Type.Optional(Enabled),
  description: Type.Optional(Description),
  authorization_ttl: Type.Optional(nullable(Type.Integer({ minimum: 0, maximum: 2_147_483_647 }))),
  remote_ids: Type.Optional(
    nullable(Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { uniqueItems: true, maxItems: 1000 })),
  ),
}
export const CreateIdentityProvider = strict({
  identity_provider: strict({ domain_id: Type.Optional(nullable(Id)), ...fields }),
})
export const UpdateIdentityProvider = strict({ identity_provider: strict(fields, { minProperties: 1 }) })
