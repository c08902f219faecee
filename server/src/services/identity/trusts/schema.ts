import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Id, Name, requestOf } from '../fields.ts'

export const CreateTrust = requestOf('trust', {
  trustor_user_id: Id,
  trustee_user_id: Id,
  impersonation: Type.Boolean(),
  project_id: Type.Optional(nullable(Id)),
  roles: Type.Optional(Type.Array(Type.Union([Type.Object({ id: Id }), Type.Object({ name: Name })]))),
  expires_at: Type.Optional(nullable(Type.String())),
  remaining_uses: Type.Optional(nullable(Type.Integer({ minimum: 1 }))),
  allow_redelegation: Type.Optional(nullable(Type.Boolean())),
  redelegation_count: Type.Optional(nullable(Type.Integer({ minimum: 0 }))),
})
