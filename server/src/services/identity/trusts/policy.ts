import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor, systemReader } from '../rules.ts'

const trustor = 'user_id:%(target.trust.trustor_user_id)s'
const trustee = 'user_id:%(target.trust.trustee_user_id)s'
const seeing = `(${adminRequired}) or (${systemReader})`

export const trustPolicies = policies({
  'identity:create_trust': trustor,
  'identity:list_trusts': adminOrSystemReader,
  'identity:list_trusts_for_trustor': `${seeing} or ${trustor}`,
  'identity:list_trusts_for_trustee': `${seeing} or ${trustee}`,
  ...rulesFor(`${seeing} or ${trustor} or ${trustee}`, 'get_trust', 'list_roles_for_trust', 'get_role_for_trust'),
  'identity:delete_trust': `${adminRequired} or ${trustor}`,
})
