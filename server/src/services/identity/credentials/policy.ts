import { policies } from '#lib/policy.ts'
import { adminRequired, rulesFor, systemReader } from '../rules.ts'

const owner = 'user_id:%(target.credential.user_id)s'

export const credentialPolicies = policies({
  ...rulesFor(
    `(${adminRequired}) or (${systemReader}) or ${owner}`,
    'get_credential',
    'list_credentials',
    'ec2_get_credential',
  ),
  'identity:ec2_list_credentials': `(${adminRequired}) or (${systemReader}) or rule:owner`,
  ...rulesFor(`(${adminRequired}) or ${owner}`, 'create_credential', 'update_credential', 'delete_credential'),
  ...rulesFor(`(${adminRequired}) or (role:member and ${owner})`, 'ec2_create_credential', 'ec2_delete_credential'),
})

export function aboutCredential(row: { userId: string } | undefined): Record<string, unknown> {
  return row ? { user_id: row.userId, target: { credential: { user_id: row.userId } } } : {}
}
