import { notFound } from '#lib/fault.ts'
import { reply, route } from '#lib/http/route.ts'

export const versionRange = {
  name: 'compute',
  legacyHeader: 'X-OpenStack-Nova-API-Version',
  min: '2.1',
  max: '2.96',
} as const

interface VersionDocument {
  id: string
  status: string
  version: string
  min_version: string
  updated: string
  links: { rel: string; href: string; type?: string }[]
  'media-types': { base: string; type: string }[]
}

/** What clients read before anything else. `base` is the service's address without a version. */
function versionDocument(base: string): VersionDocument {
  return {
    id: 'v2.1',
    status: 'CURRENT',
    version: versionRange.max,
    min_version: versionRange.min,
    updated: '2013-07-23T11:33:21Z',
    links: [
      { rel: 'self', href: `${base}/v2.1/` },
      { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' },
    ],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.compute+json;version=2.1' }],
  }
}
/** The older address: the same API without microversions of its own. */
function oldDocument(base: string) {
  return {
    ...versionDocument(base),
    id: 'v2.0',
    status: 'SUPPORTED',
    version: '',
    min_version: '',
    updated: '2011-01-21T11:33:21Z',
    links: [
      { rel: 'self', href: `${base}/v2/` },
      { rel: 'describedby', type: 'text/html', href: 'http://docs.openstack.org/' },
    ],
    'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.compute+json;version=2' }],
  }
}
const baseOf = (url: string) => url.replace(/\/v2\.1$/, '')

export const versionRoutes = [
  route({
    method: 'GET',
    path: '',
    policy: 'public',
    handle: async ({ view }) => ({ version: versionDocument(baseOf(view.baseUrl)) }),
  }),
]
export const versionRootRoutes = [
  route({
    method: 'GET',
    path: '',
    policy: 'public',
    async handle({ view }) {
      const base = baseOf(view.baseUrl)
      const brief = (document: VersionDocument) => {
        const { 'media-types': _, ...shown } = document
        return { ...shown, links: shown.links.slice(0, 1) }
      }
      return { versions: [brief(oldDocument(base)), brief(versionDocument(base))] }
    },
  }),
  route({
    method: 'GET',
    path: '/v2',
    policy: 'public',
    handle: async ({ view }) => ({ version: oldDocument(baseOf(view.baseUrl)) }),
  }),
  route({
    method: 'GET',
    path: '/:anything',
    policy: 'public',
    async handle({ view, params }) {
      if (params['anything']!.startsWith('v')) notFound('Version', params['anything']!)
      const { id, status, links, 'media-types': types } = versionDocument(baseOf(view.baseUrl))
      return reply({ status: 300, body: { choices: [{ id, status, links: links.slice(0, 1), 'media-types': types }] } })
    },
  }),
]
