import { policies } from '#lib/policy.ts'
import { adminRequired, rulesFor, systemReader } from '../rules.ts'

const owner = 'user_id:%(target.user.id)s'

export const applicationCredentialPolicies = policies({
  ...rulesFor(
    `(${adminRequired}) or (${systemReader}) or rule:owner`,
    'get_application_credential',
    'list_application_credentials',
  ),
  'identity:create_application_credential': 'user_id:%(user_id)s',
  'identity:delete_application_credential': 'rule:admin_or_owner',
  ...rulesFor(`(${systemReader}) or ${owner}`, 'get_access_rule', 'list_access_rules'),
  'identity:delete_access_rule': `(role:admin and system_scope:all) or ${owner}`,
})

export function aboutOwner(userId: string): Record<string, unknown> {
  return { user_id: userId, target: { user: { id: userId } } }
}
