import type { Service } from '#lib/http/route.ts'
import { route } from '#lib/http/route.ts'
import { identityPolicies } from './policy.ts'
import type { TokenReader } from './tokens/resolve.ts'
import { tokenRoutes } from './tokens/routes.ts'

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

export function identityService(reader: TokenReader): Service {
  return {
    name: 'identity',
    mount: '/identity',
    prefix: '/v3',
    regional: false,
    catalog: [{ type: 'identity', name: 'keystone', path: '/identity' }],
    uuidParams: false,
    policies: identityPolicies,
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
