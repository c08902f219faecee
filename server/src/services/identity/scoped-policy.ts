// The rules of a cloud that tells admins of the system, of a domain and of a project apart, as Keystone does with
// `enforce_scope` and `enforce_new_defaults`. Only what differs from the usual rules stands here: nearly all of them are
// made of `admin_required`, so it is enough that this means the system; a domain's admin is its manager as well.
import { type Policies, policies } from '#lib/policy.ts'
import { identityPolicies } from './policy.ts'
import { rulesFor, systemReader } from './rules.ts'

const usual: Policies = identityPolicies
const inProject = 'not project_id:None'
const notInDomain = 'domain_id:None'
const systemAdmin = '(role:admin and system_scope:all)'
const ofItsProject = '(role:admin and project_id:%(target.project.id)s)'

/** The rule as it is without scopes, for tokens of the system or of a project only. */
const outsideDomains = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [`identity:${name}`, `${notInDomain} and (${usual[`identity:${name}`]})`]))
const tagged = (name: string) => ({ [name]: `${usual[name]} or ${ofItsProject}` })

export const scopedPolicies = policies({
  ...identityPolicies,
  // the project that the operators have from the first start stands for the system, as Keystone's `admin_project` did:
  // clients that know projects only go on working
  admin_required: `${systemAdmin} or (role:admin and project_name:admin and project_domain_id:default) or is_admin:1`,
  ...outsideDomains(
    'get_application_credential',
    'list_application_credentials',
    'delete_application_credential',
    'get_access_rule',
    'list_access_rules',
    'delete_access_rule',
    'get_credential',
    'list_credentials',
    'create_credential',
    'update_credential',
    'delete_credential',
    'ec2_get_credential',
    'ec2_list_credentials',
    'ec2_create_credential',
    'ec2_delete_credential',
    'get_trust',
    'list_trusts_for_trustor',
    'list_trusts_for_trustee',
    'list_roles_for_trust',
    'get_role_for_trust',
    'delete_trust',
  ),
  ...tagged('identity:update_project_tags'),
  ...tagged('identity:create_project_tag'),
  ...tagged('identity:delete_project_tags'),
  ...tagged('identity:delete_project_tag'),
  'identity:list_role_assignments_for_tree': `${usual['identity:list_role_assignments_for_tree']} or ${ofItsProject}`,
  // readers of a domain see it, but not that there are others
  'identity:list_domains': `rule:admin_required or (${systemReader})`,
  // what is delegated is delegated in a project
  'identity:create_trust': `${inProject} and (${usual['identity:create_trust']})`,
  'identity:create_application_credential': `${inProject} and (${usual['identity:create_application_credential']})`,
  // access tokens are for a project: its admin decides
  ...rulesFor(
    `role:admin and ${inProject}`,
    'authorize_request_token',
    'get_access_token',
    'get_access_token_role',
    'list_access_tokens',
    'list_access_token_roles',
    'delete_access_token',
  ),
})
