import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Description, Id, Name, requestOf, ResourceOptions } from '../fields.ts'

export const CreateRole = requestOf('role', {
  name: Name,
  domain_id: Type.Optional(nullable(Id)),
  description: Type.Optional(Description),
  options: Type.Optional(ResourceOptions),
})
export const UpdateRole = requestOf(
  'role',
  {
    name: Type.Optional(Name),
    domain_id: Type.Optional(nullable(Id)),
    description: Type.Optional(Description),
    options: Type.Optional(ResourceOptions),
  },
  { minProperties: 1 },
)
