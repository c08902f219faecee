import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor } from '../rules.ts'

export const endpointFilterPolicies = policies({
  ...rulesFor(
    adminOrSystemReader,
    'list_endpoint_groups',
    'get_endpoint_group',
    'list_projects_associated_with_endpoint_group',
    'list_endpoints_associated_with_endpoint_group',
    'get_endpoint_group_in_project',
    'list_endpoint_groups_for_project',
    'list_projects_for_endpoint',
    'check_endpoint_in_project',
    'list_endpoints_for_project',
  ),
  ...rulesFor(
    adminRequired,
    'create_endpoint_group',
    'update_endpoint_group',
    'delete_endpoint_group',
    'add_endpoint_group_to_project',
    'remove_endpoint_group_from_project',
    'add_endpoint_to_project',
    'remove_endpoint_from_project',
  ),
})
