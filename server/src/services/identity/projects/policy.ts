import { policies } from '#lib/policy.ts'
import { adminRequired, rulesFor, systemReader } from '../rules.ts'

const ofDomain = 'domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s'
const seeing = `${adminRequired} or (${systemReader}) or (role:reader and ${ofDomain}) or project_id:%(target.project.id)s`
const managing = `${adminRequired} or (role:manager and ${ofDomain})`

export const projectPolicies = policies({
  ...rulesFor(seeing, 'get_project', 'list_project_tags', 'get_project_tag'),
  'identity:list_projects': `${adminRequired} or (${systemReader}) or (role:reader and domain_id:%(target.domain_id)s)`,
  'identity:list_user_projects': `${adminRequired} or (${systemReader}) or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s`,
  ...rulesFor(
    managing,
    'create_project',
    'update_project',
    'delete_project',
    'update_project_tags',
    'create_project_tag',
    'delete_project_tags',
    'delete_project_tag',
  ),
})

/** What a rule is asked about a project: for a domain it is the domain itself. */
export function aboutProject(
  row: { id?: string; domainId: string | null; isDomain?: boolean } | undefined,
): Record<string, unknown> {
  if (!row) return {}
  return {
    target: {
      project: {
        ...(row.id !== undefined && { id: row.id }),
        ...(row.domainId !== null && { domain_id: row.domainId }),
      },
      ...(row.isDomain && { domain: { id: row.id } }),
    },
  }
}
