import { Fault } from '#lib/fault.ts'
import { reply, route, type Service } from '#lib/http/route.ts'
import { aggregateRoutes } from './aggregates/routes.ts'
import { allocationRoutes } from './allocations/routes.ts'
import { candidateRoutes } from './candidates/routes.ts'
import { freshness } from './http.ts'
import { inventoryRoutes } from './inventories/routes.ts'
import { placementPolicies } from './policy.ts'
import { providerRoutes } from './providers/routes.ts'
import { resourceClassRoutes } from './resource-classes/routes.ts'
import { traitRoutes } from './traits/routes.ts'
import { usageRoutes } from './usages/routes.ts'

const versions = { name: 'placement', min: '1.0', max: '1.39' }

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

export const placementService: Service = {
  name: 'placement',
  mount: '/placement',
  prefix: '',
  regional: true,
  catalog: [{ type: 'placement', name: 'placement', path: '/placement' }],
  versions,
  uuidParams: false,
  policies: placementPolicies,
  envelope: (fault, status, requestId) => ({
    body: {
      errors: [
        {
          status,
          title: titles[status] ?? 'Internal Server Error',
          detail: fault.message,
          code: fault.code?.startsWith('placement.') ? fault.code : 'placement.undefined_code',
          request_id: requestId,
          ...(status === 406 && { min_version: versions.min, max_version: versions.max }),
        },
      ],
    },
  }),
  routes: [
    route({
      method: 'GET',
      path: '',
      policy: 'public',
      async handle(req) {
        const version = { id: 'v1.0', min_version: versions.min, max_version: versions.max, status: 'CURRENT' }
        // the address is left out as Placement does: it is the one that was asked
        const body = { versions: [{ ...version, links: [{ rel: 'self', href: '' }] }] }
        return reply({ body, headers: freshness(req) })
      },
    }),
    ...providerRoutes,
    ...inventoryRoutes,
    ...usageRoutes,
    ...aggregateRoutes,
    ...traitRoutes,
    ...allocationRoutes,
    ...resourceClassRoutes,
    ...candidateRoutes,
    route({
      method: 'POST',
      path: '/reshaper',
      policy: 'placement:reshaper:reshape',
      since: '1.30',
      async handle() {
        throw new Fault(
          'notImplemented',
          'Moving inventories and their allocations between providers in one step is not there: set the inventories of the new provider, then the allocations, then remove the old inventories.',
        )
      },
    }),
  ],
}
