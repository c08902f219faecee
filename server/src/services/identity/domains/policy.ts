import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor, systemReader } from '../rules.ts'

export const domainPolicies = policies({
  'identity:get_domain': `${adminRequired} or (${systemReader}) or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s`,
  'identity:list_domains': `${adminOrSystemReader} or (role:reader and domain_id:%(target.domain.id)s)`,
  ...rulesFor(adminRequired, 'create_domain', 'update_domain', 'delete_domain'),
  ...rulesFor(adminRequired, 'create_domain_config', 'update_domain_config', 'delete_domain_config'),
  ...rulesFor(adminOrSystemReader, 'get_domain_config', 'get_domain_config_default'),
  'identity:get_security_compliance_domain_config': '',
})

export function aboutDomain(row: { id: string } | undefined): Record<string, unknown> {
  return row ? { target: { domain: { id: row.id } } } : {}
}
