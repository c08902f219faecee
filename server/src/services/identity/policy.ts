import { policies } from '#lib/policy.ts'

export const identityPolicies = policies({
  admin_required: 'role:admin',
  service_role: 'role:service',
  'identity:validate_token': 'role:admin or rule:service_role or user_id:%(target.token.user_id)s',
  'identity:revoke_token': 'role:admin or user_id:%(target.token.user_id)s',
})
