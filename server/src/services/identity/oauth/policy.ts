import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor } from '../rules.ts'

export const oauthPolicies = policies({
  ...rulesFor(adminOrSystemReader, 'get_consumer', 'list_consumers'),
  ...rulesFor(adminRequired, 'create_consumer', 'update_consumer', 'delete_consumer'),
  ...rulesFor(
    adminRequired,
    'authorize_request_token',
    'get_access_token',
    'get_access_token_role',
    'list_access_tokens',
    'list_access_token_roles',
    'delete_access_token',
  ),
})
