import { identityView } from '../shown.ts'
import { keystoneTime } from '../time.ts'
import type { UserRow } from './model.ts'

export const userView = identityView<UserRow>(['user', 'users'], '/users', {
  name: (u) => u.name,
  domain_id: (u) => u.domainId,
  enabled: (u) => u.enabled,
  default_project_id: (u) => u.defaultProjectId ?? undefined,
  description: (u) => u.description ?? undefined,
  email: (u) => u.email ?? undefined,
  password_expires_at: (u) => (u.passwordExpiresAt ? keystoneTime(u.passwordExpiresAt.getTime()) : null),
  options: (u) => u.options,
  federated: ({ vouchedAs: v }) =>
    v ? [{ idp_id: v.providerId, protocols: [{ protocol_id: v.protocolId, unique_id: v.uniqueId }] }] : undefined,
})
