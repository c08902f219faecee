import { type Config, enforcesScope } from '#lib/config.ts'
import type { Service } from '#lib/http/route.ts'
import { route } from '#lib/http/route.ts'
import { identityPolicies } from './policy.ts'
import { scopedPolicies } from './scoped-policy.ts'
import type { TokenReader } from './tokens/resolve.ts'
import { applicationCredentialRoutes } from './application-credentials/routes.ts'
import { assignmentListRoutes } from './assignments/list-routes.ts'
import { grantRoutes } from './assignments/routes.ts'
import { ec2Routes } from './credentials/ec2-routes.ts'
import { credentialRoutes } from './credentials/routes.ts'
import { domainConfigRoutes } from './domain-config/routes.ts'
import { domainRoutes } from './domains/routes.ts'
import { endpointFilterRoutes } from './endpoint-filter/routes.ts'
import { endpointRoutes } from './endpoints/routes.ts'
import { trustedDashboards } from './federation/auth/dashboards.ts'
import { federatedAuthRoutes } from './federation/auth/routes.ts'
import { identityProviderRoutes } from './federation/identity-providers/routes.ts'
import { mappingRoutes } from './federation/mappings/routes.ts'
import { protocolRoutes } from './federation/protocols/routes.ts'
import { serviceProviderRoutes } from './federation/service-providers/routes.ts'
import { groupRoutes } from './groups/routes.ts'
import { keyRoutes } from './keys-routes.ts'
import { limitRoutes } from './limits/routes.ts'
import { oauthConsumerRoutes } from './oauth/consumer-routes.ts'
import { oauthRoutes } from './oauth/routes.ts'
import { oauthTokenRoutes } from './oauth/token-routes.ts'
import { policyAssociationRoutes } from './policies/association-routes.ts'
import { policyRoutes } from './policies/routes.ts'
import { projectRoutes } from './projects/routes.ts'
import { projectTagRoutes } from './projects/tag-routes.ts'
import { regionRoutes } from './regions/routes.ts'
import { impliedRoleRoutes } from './roles/implied-routes.ts'
import { roleRoutes } from './roles/routes.ts'
import { serviceRoutes } from './services/routes.ts'
import { ec2TokenRoutes } from './tokens/ec2-routes.ts'
import { tokenRoutes } from './tokens/routes.ts'
import { simpleCertRoutes } from './simple-cert-routes.ts'
import { authRoutes } from './tokens/auth-routes.ts'
import { trustRoutes } from './trusts/routes.ts'
import { userRoutes } from './users/routes.ts'

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

const versionDocument = (base: string) => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${base}/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
})

function requireReadable(regex: string): void {
  try {
    RegExp(regex)
  } catch (error) {
    throw new Error(`Setting passwordRegex: ${regex} is not a regular expression.`, { cause: error })
  }
}

/** Settings decide whose rules these are: those of today's Keystone, or those that ask for a token of the system. */
export function identityService(reader: TokenReader, config: Config): Service {
  // what cannot be read stops the program now, not the first one who changes a password or signs in
  requireReadable(config.passwordRegex)
  trustedDashboards(config)
  return {
    name: 'identity',
    mount: '/identity',
    prefix: '/v3',
    regional: false,
    catalog: [{ type: 'identity', name: 'keystone', path: '/identity' }],
    uuidParams: false,
    policies: enforcesScope(config, 'identity') ? scopedPolicies : identityPolicies,
    envelope: (fault, status) => ({
      body: { error: { code: status, message: fault.message, title: titles[status] ?? 'Error' } },
    }),
    routes: [
      route({
        method: 'GET',
        path: '',
        policy: 'public',
        handle: async ({ view }) => ({ version: versionDocument(view.baseUrl) }),
      }),
      ...tokenRoutes(reader),
      ...authRoutes,
      ...ec2TokenRoutes(reader),
      ...domainRoutes,
      ...domainConfigRoutes,
      ...projectRoutes,
      ...projectTagRoutes,
      ...userRoutes,
      ...groupRoutes,
      ...roleRoutes,
      ...impliedRoleRoutes,
      ...grantRoutes,
      ...assignmentListRoutes,
      ...regionRoutes,
      ...serviceRoutes,
      ...endpointRoutes,
      ...endpointFilterRoutes,
      ...policyRoutes,
      ...policyAssociationRoutes,
      ...credentialRoutes,
      ...ec2Routes,
      ...applicationCredentialRoutes(reader),
      ...trustRoutes,
      ...oauthConsumerRoutes,
      ...oauthRoutes,
      ...oauthTokenRoutes,
      ...identityProviderRoutes,
      ...federatedAuthRoutes(reader),
      ...mappingRoutes,
      ...protocolRoutes,
      ...serviceProviderRoutes,
      ...limitRoutes,
      ...keyRoutes,
      ...simpleCertRoutes,
    ],
    rootRoutes: [
      route({
        method: 'GET',
        path: '',
        policy: 'public',
        status: 300,
        handle: async ({ view }) => ({ versions: { values: [versionDocument(view.baseUrl)] } }),
      }),
    ],
  }
}
