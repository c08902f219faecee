import { Type } from 'typebox'
import { nullable } from '#lib/http/schema.ts'
import { Enabled, Id, Name, requestOf } from '../fields.ts'

const Password = Type.String({ minLength: 1, maxLength: 4096 })
const Flag = Type.Optional(nullable(Type.Boolean()))
/** Keystone's user options; null takes one away. */
const UserOptions = Type.Object(
  {
    ignore_change_password_upon_first_use: Flag,
    ignore_password_expiry: Flag,
    ignore_lockout_failure_attempts: Flag,
    ignore_user_inactivity: Flag,
    lock_password: Flag,
    multi_factor_auth_enabled: Flag,
    multi_factor_auth_rules: Type.Optional(
      nullable(Type.Array(Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, uniqueItems: true }))),
    ),
  },
  { additionalProperties: false },
)
const rest = {
  default_project_id: Type.Optional(nullable(Id)),
  description: Type.Optional(nullable(Type.String({ maxLength: 65_535 }))),
  email: Type.Optional(nullable(Type.String({ maxLength: 1024 }))),
  enabled: Type.Optional(Enabled),
  options: Type.Optional(UserOptions),
}
export const CreateUser = requestOf('user', {
  name: Name,
  domain_id: Type.Optional(nullable(Id)),
  password: Type.Optional(nullable(Password)),
  ...rest,
})
export const UpdateUser = requestOf(
  'user',
  {
    name: Type.Optional(Name),
    domain_id: Type.Optional(Id),
    password: Type.Optional(nullable(Password)),
    ...rest,
  },
  { minProperties: 1 },
)
export const ChangePassword = requestOf('user', { original_password: Type.String(), password: Password })
