import { view } from '#lib/view.ts'
import type { IdentityProvider } from './model.ts'

export const providersPath = '/OS-FEDERATION/identity_providers'

export const identityProviderView = view<IdentityProvider>(['identity_provider', 'identity_providers'], {
  id: (p) => p.id,
  domain_id: (p) => p.domainId,
  enabled: (p) => p.enabled,
  description: (p) => p.description,
  remote_ids: (p) => p.remoteIds,
  authorization_ttl: (p) => p.authorizationTtlMinutes,
  links: (p, { baseUrl }) => {
    const self = `${baseUrl}${providersPath}/${encodeURIComponent(p.id)}`
    return { self, protocols: `${self}/protocols` }
  },
})
