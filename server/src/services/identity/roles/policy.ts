import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor } from '../rules.ts'

export const rolePolicies = policies({
  'identity:get_role': `(${adminOrSystemReader}) or (role:manager and rule:domain_managed_target_role)`,
  'identity:list_roles': `(${adminOrSystemReader}) or (role:manager and not domain_id:None)`,
  ...rulesFor(adminRequired, 'create_role', 'update_role', 'delete_role'),
  ...rulesFor(adminOrSystemReader, 'get_domain_role', 'list_domain_roles'),
  ...rulesFor(adminRequired, 'create_domain_role', 'update_domain_role', 'delete_domain_role'),
  ...rulesFor(
    adminOrSystemReader,
    'get_implied_role',
    'list_implied_roles',
    'check_implied_role',
    'list_role_inference_rules',
  ),
  ...rulesFor(adminRequired, 'create_implied_role', 'delete_implied_role'),
})

/** What a rule is asked about a role. */
export function aboutRole(row: { id: string; name: string; domainId: string | null } | undefined) {
  return row ? { target: { role: { id: row.id, name: row.name, domain_id: row.domainId } } } : {}
}
