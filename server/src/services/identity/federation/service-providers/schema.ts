import { Type } from 'typebox'
import { nullable, strict } from '#lib/http/schema.ts'
import { Description, Enabled } from '../../fields.ts'

const Url = Type.String({ maxLength: 256, pattern: '^[a-zA-Z0-9+.-]+:.+' })
const rest = {
  enabled: Type.Optional(Enabled),
  description: Type.Optional(Description),
  relay_state_prefix: Type.Optional(nullable(Type.String({ maxLength: 256 }))),
}
export const CreateServiceProvider = strict({ service_provider: strict({ auth_url: Url, sp_url: Url, ...rest }) })
export const UpdateServiceProvider = strict({
  service_provider: strict({ auth_url: Type.Optional(Url), sp_url: Type.Optional(Url), ...rest }, { minProperties: 1 }),
})
