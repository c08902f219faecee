import { policies } from '#lib/policy.ts'
import { adminRequired, rulesFor, systemReader } from '../rules.ts'

const ofGroup = 'domain_id:%(target.group.domain_id)s'
const ofBoth = `${ofGroup} and domain_id:%(target.user.domain_id)s`

export const groupPolicies = policies({
  ...rulesFor(
    `${adminRequired} or (${systemReader}) or (role:reader and ${ofGroup})`,
    'get_group',
    'list_groups',
    'list_users_in_group',
  ),
  'identity:list_groups_for_user': `${adminRequired} or (${systemReader}) or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s`,
  ...rulesFor(`${adminRequired} or (role:manager and ${ofGroup})`, 'create_group', 'update_group', 'delete_group'),
  ...rulesFor(`${adminRequired} or (role:manager and ${ofBoth})`, 'add_user_to_group', 'remove_user_from_group'),
  'identity:check_user_in_group': `${adminRequired} or (${systemReader}) or (role:reader and ${ofBoth})`,
})

/** What a rule is asked about a group. */
export function aboutGroup(row: { id?: string; domainId: string } | undefined): Record<string, unknown> {
  return row ? { target: { group: { domain_id: row.domainId, ...(row.id !== undefined && { id: row.id }) } } } : {}
}
