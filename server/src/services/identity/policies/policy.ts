import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor } from '../rules.ts'

const kinds = ['endpoint', 'service', 'region_and_service']
const associations = (verb: string) => kinds.map((kind) => `${verb}_policy_association_for_${kind}`)

export const policyBlobPolicies = policies({
  ...rulesFor(
    adminOrSystemReader,
    'get_policy',
    'list_policies',
    'get_policy_for_endpoint',
    'list_endpoints_for_policy',
  ),
  ...rulesFor(adminRequired, 'create_policy', 'update_policy', 'delete_policy'),
  ...rulesFor(adminOrSystemReader, ...associations('check')),
  ...rulesFor(adminRequired, ...associations('create'), ...associations('delete')),
})
