import type { CatalogEntry } from '../catalog/model.ts'
import { keystoneTime } from '../time.ts'
import type { ServiceProvider } from '../federation/service-providers/model.ts'
import type { ResolvedToken } from './resolve.ts'

/** What a token shows beside itself. */
export interface Surroundings {
  catalog: readonly CatalogEntry[] | undefined
  /** The other clouds to which its user may go on. */
  serviceProviders: readonly ServiceProvider[]
}

/** The body of POST and GET /auth/tokens. */
export function tokenView(resolved: ResolvedToken, { catalog, serviceProviders }: Surroundings) {
  const { claims, user, vouched, project, domain, roles, actor, trust, accessToken, applicationCredential } = resolved
  return {
    token: {
      methods: claims.methods,
      user: {
        id: user.id,
        name: user.name,
        domain: user.domain,
        ...(vouched
          ? {
              'OS-FEDERATION': {
                identity_provider: { id: vouched.providerId },
                protocol: { id: vouched.protocolId },
                groups: vouched.groupIds.map((id) => ({ id })),
              },
            }
          : { password_expires_at: user.passwordExpiresAt?.replace('Z', '000Z') ?? null }),
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
      ...(serviceProviders.length > 0 && {
        service_providers: serviceProviders.map(({ id, authUrl, spUrl }) => ({ id, auth_url: authUrl, sp_url: spUrl })),
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
