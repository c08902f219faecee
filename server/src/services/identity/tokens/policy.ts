import { policies } from '#lib/policy.ts'
import { adminRequired, anyone, rulesFor, systemReader } from '../rules.ts'

export const tokenPolicies = policies({
  'identity:check_token': `${adminRequired} or (${systemReader}) or rule:token_subject`,
  'identity:validate_token': `${adminRequired} or (${systemReader}) or rule:service_role or rule:token_subject`,
  'identity:revoke_token': `${adminRequired} or rule:token_subject`,
  ...rulesFor(anyone, 'get_auth_projects', 'get_auth_domains', 'get_auth_system'),
  ...rulesFor('rule:service_or_admin', 'ec2tokens_validate', 's3tokens_validate'),
  'identity:list_revoke_events': 'rule:service_or_admin',
})
