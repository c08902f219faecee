import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, anyone, rulesFor } from '../rules.ts'

export const catalogPolicies = policies({
  ...rulesFor(anyone, 'get_region', 'list_regions', 'get_auth_catalog'),
  ...rulesFor(adminRequired, 'create_region', 'update_region', 'delete_region'),
  ...rulesFor(adminOrSystemReader, 'get_service', 'list_services', 'get_endpoint', 'list_endpoints'),
  ...rulesFor(adminRequired, 'create_service', 'update_service', 'delete_service'),
  ...rulesFor(adminRequired, 'create_endpoint', 'update_endpoint', 'delete_endpoint'),
})
