import { policies } from '#lib/policy.ts'
import { adminOrSystemReader, adminRequired, rulesFor } from '../rules.ts'

const nouns = [
  ['identity_provider', 'identity_providers'],
  ['mapping', 'mappings'],
  ['protocol', 'protocols'],
  ['service_provider', 'service_providers'],
] as const

export const federationPolicies = policies(
  Object.assign(
    {},
    ...nouns.map(([one, many]) => ({
      ...rulesFor(adminOrSystemReader, `get_${one}`, `list_${many}`),
      ...rulesFor(adminRequired, `create_${one}`, `update_${one}`, `delete_${one}`),
    })),
  ) as Record<string, string>,
)
