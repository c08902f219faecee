import { policies } from '#lib/policy.ts'
import { adminRequired, anyone, rulesFor, systemReader } from '../rules.ts'

export const limitPolicies = policies({
  ...rulesFor(anyone, 'get_registered_limit', 'list_registered_limits', 'get_limit_model', 'list_limits'),
  ...rulesFor(
    adminRequired,
    'create_registered_limits',
    'update_registered_limit',
    'delete_registered_limit',
    'create_limits',
    'update_limit',
    'delete_limit',
  ),
  'identity:get_limit': `${adminRequired} or (${systemReader}) or domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)`,
})
