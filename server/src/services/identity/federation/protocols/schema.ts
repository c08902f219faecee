import { Type } from 'typebox'
import { nullable, strict } from '#lib/http/schema.ts'
import { OidcFields } from '../oidc/settings.ts'
import { SamlFields } from '../saml/settings.ts'

const MappingId = Type.String({ minLength: 1, maxLength: 64 })
const Attribute = Type.String({ maxLength: 64 })

export const CreateProtocol = strict({
  protocol: strict({
    mapping_id: MappingId,
    remote_id_attribute: Type.Optional(nullable(Attribute)),
    oidc: Type.Optional(nullable(OidcFields)),
    saml: Type.Optional(nullable(SamlFields)),
  }),
})
export const UpdateProtocol = strict({
  protocol: strict(
    {
      mapping_id: Type.Optional(MappingId),
      remote_id_attribute: Type.Optional(nullable(Attribute)),
      oidc: Type.Optional(nullable(OidcFields)),
      saml: Type.Optional(nullable(SamlFields)),
    },
    { minProperties: 1 },
  ),
})
