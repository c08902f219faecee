import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Enabled, Id, requestOf } from '../fields.ts'

const Interface = Type.Enum(['public', 'internal', 'admin'])
const Url = Type.String({ minLength: 1, maxLength: 2048, pattern: '^([a-zA-Z][a-zA-Z0-9+.-]*://.+|[$%]\\(.+)' })
const fields = {
  region: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 255 }))),
  region_id: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
  enabled: Type.Optional(Enabled),
  name: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
}
export const CreateEndpoint = requestOf('endpoint', {
  service_id: Id,
  interface: Interface,
  url: Url,
  ...fields,
})
export const UpdateEndpoint = requestOf(
  'endpoint',
  {
    service_id: Type.Optional(Id),
    interface: Type.Optional(Interface),
    url: Type.Optional(Url),
    ...fields,
  },
  { minProperties: 1 },
)
