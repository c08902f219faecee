import type { Fault, FaultKind } from '#lib/fault.ts'
import { route, type Service } from '#lib/http/route.ts'
import { addressScopeRoutes } from './address-scopes/routes.ts'
import { agentRoutes } from './agents/routes.ts'
import { extensionRoutes } from './extensions/routes.ts'
import { floatingIpRoutes } from './floating-ips/routes.ts'
import { hostSubscriptions } from './hosts/seen.ts'
import { ipAvailabilityRoutes } from './ip-availability/routes.ts'
import { meteringRoutes } from './metering/routes.ts'
import { networkRoutes } from './networks/routes.ts'
import { networkPolicies, renamedNetworkPolicies } from './policy.ts'
import { portRoutes } from './ports/routes.ts'
import { quotaRoutes } from './quotas/routes.ts'
import { rbacRoutes } from './rbac/routes.ts'
import { routerRoutes } from './routers/routes.ts'
import { securityGroupRoutes } from './security-groups/routes.ts'
import { securityGroupRuleRoutes } from './security-groups/rule-routes.ts'
import { subnetPoolRoutes } from './subnet-pools/routes.ts'
import { subnetRoutes } from './subnets/routes.ts'
import { tagRoutes } from './tags/routes.ts'
import { networkQuotas } from './quotas/limits.ts'

const types: Partial<Record<FaultKind, string>> = {
  invalid: 'HTTPBadRequest',
  forbidden: 'PolicyNotAuthorized',
  notFound: 'HTTPNotFound',
  conflict: 'HTTPConflict',
  methodNotAllowed: 'HTTPMethodNotAllowed',
  unavailable: 'HTTPServiceUnavailable',
}

function envelope(fault: Fault) {
  const type = fault.code ?? types[fault.kind] ?? 'HTTPClientError'
  return { body: { NeutronError: { type, message: sentence(fault), detail: '' } } }
}

/** Clients look for Neutron's own words where a quota is exceeded. */
function sentence({ kind, message, details }: Fault): string {
  if (kind !== 'overQuota' || !Array.isArray(details)) return message
  const names = (details as { resource: string }[]).map(({ resource }) => `'${resource}'`)
  return `Quota exceeded for resources: [${names.join(', ')}]. ${message}`
}

const versionDocument = (base: string) => ({
  id: 'v2.0',
  status: 'CURRENT',
  links: [{ rel: 'self', href: `${base}/` }],
})

/** Neutron, version 2.0. */
export const networkService: Service = {
  name: 'network',
  mount: '/network',
  prefix: '/v2.0',
  regional: true,
  catalog: [{ type: 'network', name: 'neutron', path: '/network' }],
  envelope,
  statuses: { overQuota: 409 },
  policies: networkPolicies,
  renamedPolicies: renamedNetworkPolicies,
  quotas: networkQuotas,
  uuidParams: true,
  subscriptions: hostSubscriptions,
  routes: [
    route({
      method: 'GET',
      path: '',
      policy: 'public',
      handle: async ({ view }) => ({
        resources: ['network', 'subnet', 'subnetpool', 'port'].map((name) => ({
          name,
          collection: `${name}s`,
          links: [{ rel: 'self', href: `${view.baseUrl}/${name}s` }],
        })),
      }),
    }),
    ...networkRoutes,
    ...subnetRoutes,
    ...portRoutes,
    ...routerRoutes,
    ...floatingIpRoutes,
    ...securityGroupRoutes,
    ...securityGroupRuleRoutes,
    ...addressScopeRoutes,
    ...rbacRoutes,
    ...quotaRoutes,
    ...tagRoutes,
    ...meteringRoutes,
    ...ipAvailabilityRoutes,
    ...agentRoutes,
    ...extensionRoutes,
    ...subnetPoolRoutes,
  ],
  rootRoutes: [
    route({
      method: 'GET',
      path: '',
      policy: 'public',
      handle: async ({ view }) => ({ versions: [versionDocument(view.baseUrl)] }),
    }),
  ],
}
