import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor } from '../rules.ts'

export const policyBlobPolicies = policies({
  ...rulesFor(adminOrSystemReader, 'get_policy', 'list_policies'),
  ...rulesFor(adminRequired, 'create_policy', 'update_policy', 'delete_policy'),
})
