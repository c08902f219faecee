import type { CatalogEntry } from '../catalog/model.ts'
import { keystoneTime } from '../time.ts'
import type { ResolvedToken } from './resolve.ts'

/** The body of POST and GET /auth/tokens. */
export function tokenView(resolved: ResolvedToken, catalog: readonly CatalogEntry[] | undefined) {
  const { claims, user, project, domain, roles, actor, trust, accessToken, applicationCredential } = resolved
  return {
    token: {
      methods: claims.methods,
      user: {
        id: user.id,
        name: user.name,
        domain: user.domain,
        password_expires_at: user.passwordExpiresAt?.replace('Z', '000Z') ?? null,
      },
      audit_ids: claims.auditIds,
      expires_at: keystoneTime(claims.expiresAtMs),
      issued_at: keystoneTime(claims.issuedAtMs),
      ...(project && {
        project: { id: project.id, name: project.name, domain: project.domain },
        is_domain: project.isDomain,
      }),
      ...(domain && { domain }),
      ...(actor.system && { system: { all: true } }),
      ...(claims.scope.kind !== 'unscoped' && {
        roles: roles.map(({ id, name }) => ({ id, name })),
        ...(catalog && { catalog }),
      }),
      ...(trust && {
        'OS-TRUST:trust': {
          id: trust.id,
          impersonation: trust.impersonation,
          trustor_user: { id: trust.trustorUserId },
          trustee_user: { id: trust.trusteeUserId },
        },
      }),
      ...(accessToken && {
        'OS-OAUTH1': { access_token_id: accessToken.id, consumer_id: accessToken.consumerId },
      }),
      ...(applicationCredential && {
        application_credential: {
          id: applicationCredential.id,
          name: applicationCredential.name,
          restricted: applicationCredential.restricted,
          ...(applicationCredential.accessRules && { access_rules: applicationCredential.accessRules }),
        },
      }),
    },
  }
}
