import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Description, Id, nameOf, requestOf } from '../fields.ts'

export const CreateGroup = requestOf('group', {
  name: nameOf(64),
  domain_id: Type.Optional(nullable(Id)),
  description: Type.Optional(Description),
})
export const UpdateGroup = requestOf(
  'group',
  {
    name: Type.Optional(nameOf(64)),
    domain_id: Type.Optional(Id),
    description: Type.Optional(Description),
  },
  { minProperties: 1 },
)
