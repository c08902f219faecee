import { Type } from 'typebox'
import { Description, Enabled, nameOf, requestOf, ResourceOptions } from '../fields.ts'
import { Tags } from '../projects/schema.ts'

const rest = {
  description: Type.Optional(Description),
  enabled: Type.Optional(Enabled),
  tags: Type.Optional(Tags),
  options: Type.Optional(ResourceOptions),
}
export const CreateDomain = requestOf('domain', {
  name: nameOf(64),
  explicit_domain_id: Type.Optional(Type.String({ pattern: '^[a-f0-9]{32}$' })),
  ...rest,
})
export const UpdateDomain = requestOf('domain', { name: Type.Optional(nameOf(64)), ...rest })
