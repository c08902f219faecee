import { Type } from 'typebox'
import { Description, Id, Name, requestOf } from '../fields.ts'

const Filters = Type.Object(
  {
    interface: Type.Optional(Type.Enum(['public', 'internal', 'admin'])),
    service_id: Type.Optional(Id),
    region_id: Type.Optional(Type.String({ maxLength: 255 })),
  },
  { additionalProperties: false, minProperties: 1 },
)
export const CreateEndpointGroup = requestOf('endpoint_group', {
  name: Name,
  description: Type.Optional(Description),
  filters: Filters,
})
export const UpdateEndpointGroup = requestOf(
  'endpoint_group',
  {
    name: Type.Optional(Name),
    description: Type.Optional(Description),
    filters: Type.Optional(Filters),
  },
  { minProperties: 1 },
)
