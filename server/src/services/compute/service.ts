import type { Fault } from '#lib/fault.ts'
import type { Envelope, Service } from '#lib/http/route.ts'
import { aggregateRoutes } from './aggregates/routes.ts'
import { zoneRoutes } from './aggregates/zones-routes.ts'
import { extensionRoutes } from './extensions/routes.ts'
import { flavorRoutes } from './flavors/routes.ts'
import { flavorPartRoutes } from './flavors/specs-routes.ts'
import { hostRoutes } from './hosts/hosts-routes.ts'
import { hypervisorRoutes } from './hosts/hypervisors-routes.ts'
import { serviceRoutes } from './hosts/services-routes.ts'
import { instanceActionRoutes } from './instance-actions/routes.ts'
import { keypairRoutes } from './keypairs/routes.ts'
import { computePolicies, renamedComputePolicies } from './policy.ts'
import { imageProxyRoutes } from './proxies/images-routes.ts'
import { networkProxyRoutes } from './proxies/networks-routes.ts'
import { securityGroupRoutes } from './proxies/security-groups-routes.ts'
import { computeQuotas } from './quotas/resources.ts'
import { quotaRoutes } from './quotas/routes.ts'
import { serverGroupRoutes } from './server-groups/routes.ts'
import { serverActions } from './servers/actions-routes.ts'
import { portSubscriptions } from './servers/lost-port.ts'
import { interfaceRoutes } from './servers/interfaces-routes.ts'
import { serverPartRoutes } from './servers/parts-routes.ts'
import { serverRoutes } from './servers/routes.ts'
import { usageRoutes } from './usage/routes.ts'
import { versionRange, versionRootRoutes, versionRoutes } from './versions/routes.ts'

/** The one key of Nova's error bodies. */
const names: Record<number, string> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  406: 'notAcceptable',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
}

function envelope(fault: Fault, status: number): Envelope {
  return { body: { [names[status] ?? 'computeFault']: { code: status, message: fault.message } } }
}

export const computeService: Service = {
  name: 'compute',
  mount: '/compute',
  prefix: '/v2.1',
  olderPrefix: '/v2',
  regional: true,
  catalog: [{ type: 'compute', name: 'nova', path: '/compute/v2.1' }],
  versions: versionRange,
  envelope,
  statuses: { overQuota: 403, tooLarge: 413 },
  policies: computePolicies,
  renamedPolicies: renamedComputePolicies,
  quotas: computeQuotas,
  subscriptions: portSubscriptions,
  uuidParams: true,
  requestIdHeaders: ['x-compute-request-id'],
  routes: [
    ...versionRoutes,
    ...flavorRoutes,
    ...flavorPartRoutes,
    ...keypairRoutes,
    ...serverRoutes,
    serverActions,
    ...serverPartRoutes,
    ...interfaceRoutes,
    ...instanceActionRoutes,
    ...serverGroupRoutes,
    ...aggregateRoutes,
    ...zoneRoutes,
    ...hypervisorRoutes,
    ...serviceRoutes,
    ...hostRoutes,
    ...quotaRoutes,
    ...usageRoutes,
    ...imageProxyRoutes,
    ...networkProxyRoutes,
    ...securityGroupRoutes,
    ...extensionRoutes,
  ],
  rootRoutes: versionRootRoutes,
}
