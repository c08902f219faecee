import { policies } from '#lib/policy.ts'
import { applicationCredentialPolicies } from './application-credentials/policy.ts'
import { assignmentPolicies } from './assignments/policy.ts'
import { catalogPolicies } from './catalog/policy.ts'
import { credentialPolicies } from './credentials/policy.ts'
import { domainPolicies } from './domains/policy.ts'
import { endpointFilterPolicies } from './endpoint-filter/policy.ts'
import { federationPolicies } from './federation/policy.ts'
import { groupPolicies } from './groups/policy.ts'
import { limitPolicies } from './limits/policy.ts'
import { oauthPolicies } from './oauth/policy.ts'
import { policyBlobPolicies } from './policies/policy.ts'
import { projectPolicies } from './projects/policy.ts'
import { rolePolicies } from './roles/policy.ts'
import { tokenPolicies } from './tokens/policy.ts'
import { trustPolicies } from './trusts/policy.ts'
import { userPolicies } from './users/policy.ts'

// Keystone's names, so that an operator's policy.yaml works.
export const identityPolicies = policies({
  admin_required: 'role:admin or is_admin:1',
  service_role: 'role:service',
  service_or_admin: 'rule:admin_required or rule:service_role',
  owner: 'user_id:%(user_id)s',
  admin_or_owner: 'rule:admin_required or rule:owner',
  token_subject: 'user_id:%(target.token.user_id)s',
  admin_or_token_subject: 'rule:admin_required or rule:token_subject',
  service_admin_or_token_subject: 'rule:service_or_admin or rule:token_subject',
  ...applicationCredentialPolicies,
  ...assignmentPolicies,
  ...catalogPolicies,
  ...credentialPolicies,
  ...domainPolicies,
  ...endpointFilterPolicies,
  ...federationPolicies,
  ...groupPolicies,
  ...limitPolicies,
  // our own: new keys for tokens and credentials
  'identity:rotate_keys': 'role:admin and system_scope:all',
  ...oauthPolicies,
  ...policyBlobPolicies,
  ...projectPolicies,
  ...rolePolicies,
  ...tokenPolicies,
  ...trustPolicies,
  ...userPolicies,
})
