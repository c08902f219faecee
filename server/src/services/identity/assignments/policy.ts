import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor, systemReader } from '../rules.ts'

/** Actor and target of the grant are of the domain of the one who asks, who has `role` there. */
const within = (role: string) =>
  ['user', 'group']
    .flatMap((actor) => [
      `(role:${role} and domain_id:%(target.${actor}.domain_id)s and domain_id:%(target.project.domain_id)s)`,
      `(role:${role} and domain_id:%(target.${actor}.domain_id)s and domain_id:%(target.domain.id)s)`,
    ])
    .join(' or ')
const ofThatDomainOrNone = '(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)'
const granting = `(${adminRequired}) or ((${within('admin')}) and ${ofThatDomainOrNone}) or ((${within('manager')}) and rule:domain_managed_target_role)`

export const assignmentPolicies = policies({
  // what the manager of a domain may give away
  domain_managed_target_role:
    "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
  'identity:check_grant': `(${adminRequired}) or (${systemReader}) or ((${within('reader')}) and ${ofThatDomainOrNone})`,
  'identity:list_grants': `(${adminRequired}) or (${systemReader}) or ${within('reader')}`,
  ...rulesFor(granting, 'create_grant', 'revoke_grant'),
  ...rulesFor(
    adminOrSystemReader,
    'list_system_grants_for_user',
    'check_system_grant_for_user',
    'list_system_grants_for_group',
    'check_system_grant_for_group',
  ),
  ...rulesFor(
    adminRequired,
    'create_system_grant_for_user',
    'revoke_system_grant_for_user',
    'create_system_grant_for_group',
    'revoke_system_grant_for_group',
  ),
  ...rulesFor(
    `(${adminRequired}) or (${systemReader}) or (role:reader and domain_id:%(target.domain_id)s)`,
    'list_role_assignments',
    'list_role_assignments_for_tree',
  ),
})
