import { policies } from '#lib/policy.ts'
import { adminRequired, domainReader, rulesFor, systemReader } from '../rules.ts'

const ofDomain = 'token.domain.id:%(target.user.domain_id)s'

export const userPolicies = policies({
  'identity:get_user': `${adminRequired} or (${systemReader}) or (role:reader and ${ofDomain}) or user_id:%(target.user.id)s`,
  'identity:list_users': `${adminRequired} or (${systemReader}) or (${domainReader})`,
  ...rulesFor(`${adminRequired} or (role:manager and ${ofDomain})`, 'create_user', 'update_user', 'delete_user'),
})

/** What a rule is asked about a user. */
export function aboutUser(row: { id?: string; domainId: string } | undefined): Record<string, unknown> {
  if (!row) return {}
  return {
    ...(row.id !== undefined && { user_id: row.id }),
    target: { user: { domain_id: row.domainId, ...(row.id !== undefined && { id: row.id }) } },
  }
}
