import { Type } from 'typebox'
import { nullable, strict } from '#lib/http/schema.ts'
import { Id, Name, requestOf } from '../fields.ts'

const Roles = Type.Array(Type.Union([Type.Object({ id: Id }), Type.Object({ name: Name })]))
const Method = Type.Enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE'])
const Rule = Type.Union([
  strict({ id: Id }),
  strict({
    service: Type.String({ minLength: 1, maxLength: 255 }),
    method: Method,
    path: Type.String({ minLength: 1, maxLength: 128, pattern: '^/' }),
  }),
])

export const CreateApplicationCredential = requestOf('application_credential', {
  name: Name,
  description: Type.Optional(nullable(Type.String({ maxLength: 65_535 }))),
  secret: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 4096 }))),
  expires_at: Type.Optional(nullable(Type.String())),
  roles: Type.Optional(Roles),
  unrestricted: Type.Optional(nullable(Type.Boolean())),
  access_rules: Type.Optional(Type.Array(Rule, { maxItems: 100 })),
})
