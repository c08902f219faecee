import { reply, route, type Service } from '#lib/http/route.ts'
import { imageRoutes } from './images/routes.ts'
import { memberRoutes } from './members/routes.ts'
import { metadefRoutes } from './metadefs/routes.ts'
import { imagePolicies } from './policy.ts'
import { schemaRoutes } from './schemas/routes.ts'

const versionDocument = (mount: string) =>
  [
    'v2.15',
    'v2.13',
    'v2.12',
    'v2.11',
    'v2.10',
    'v2.9',
    'v2.8',
    'v2.7',
    'v2.6',
    'v2.5',
    'v2.4',
    'v2.3',
    'v2.2',
    'v2.1',
    'v2.0',
  ].map((id, i) => ({
    id,
    status: i === 0 ? 'CURRENT' : 'SUPPORTED',
    links: [{ rel: 'self', href: `${mount}/v2/` }],
  }))
const mountOf = (baseUrl: string) => baseUrl.replace(/\/v2$/, '')

export const imageService: Service = {
  name: 'image',
  mount: '/image',
  prefix: '/v2',
  regional: true,
  catalog: [{ type: 'image', name: 'glance', path: '/image' }],
  uuidParams: true,
  policies: imagePolicies,
  envelope: (fault, status) => ({ body: { code: status, title: fault.kind, message: fault.message } }),
  routes: [
    ...imageRoutes,
    ...memberRoutes,
    ...schemaRoutes,
    ...metadefRoutes,
    route({
      method: 'GET',
      path: '/info/import',
      policy: 'authenticated',
      handle: async () => ({
        'import-methods': { description: 'Import methods available.', type: 'array', value: ['glance-direct'] },
      }),
    }),
    route({
      method: 'GET',
      path: '/info/stores',
      policy: 'authenticated',
      handle: async () => ({ stores: [{ id: 'disk', default: 'true', description: 'the disk of the cloud' }] }),
    }),
    route({
      method: 'GET',
      path: '',
      policy: 'public',
      handle: async ({ view }) => ({ versions: versionDocument(mountOf(view.baseUrl)) }),
    }),
  ],
  rootRoutes: [
    route({
      method: 'GET',
      path: '',
      policy: 'public',
      handle: async ({ view }) => reply({ status: 300, body: { versions: versionDocument(mountOf(view.baseUrl)) } }),
    }),
    route({
      method: 'GET',
      path: '/versions',
      policy: 'public',
      handle: async ({ view }) => ({ versions: versionDocument(mountOf(view.baseUrl)) }),
    }),
  ],
}
