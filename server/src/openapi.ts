// The API as OpenAPI 3.1 documents, one for each service, made from the routes themselves: reviewers read their diff.
import type { Route, Service } from '#lib/http/route.ts'

type Json = Record<string, unknown>

/** The document of one service. Paths are below the cloud's address; `x-policy` names the rule that guards an operation. */
export function describeService(service: Service): Json {
  const paths: Record<string, Record<string, Json>> = {}
  const add = (route: Route, path: string) => {
    const url = path.replaceAll(/:([A-Za-z]+)/g, '{$1}') || '/'
    const operations = (paths[url] ??= {})
    operations[route.method.toLowerCase()] = describeRoute(service, route, url)
  }
  for (const route of service.rootRoutes ?? []) add(route, `${service.mount}${route.path}`)
  for (const route of service.routes) add(route, `${service.mount}${service.prefix}${route.path}`)
  return {
    openapi: '3.1.0',
    info: {
      title: `Pileus: ${service.name}`,
      version: service.versions?.max ?? '1',
      ...(service.versions && {
        'x-min-version': service.versions.min,
        'x-version-header': `OpenStack-API-Version: ${service.versions.name} <version>`,
      }),
    },
    ...(service.regional && { 'x-regions': 'the same paths below /regions/{region}' }),
    paths: Object.fromEntries(Object.entries(paths).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    components: { securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' } } },
  }
}

function describeRoute(service: Service, route: Route, url: string): Json {
  const parameters = [...url.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const status = route.status ?? 200
  return {
    ...(route.policy !== 'public' && { security: [{ token: [] }] }),
    ...(route.policy !== 'public' &&
      route.policy !== 'authenticated' && {
        'x-policy': route.policy,
        'x-policy-default': service.policies[route.policy],
      }),
    ...versions(route),
    ...(parameters.length > 0 && { parameters }),
    ...bodyOf(route),
    responses: { [status]: { description: 'done' } },
  }
}

function bodyOf(route: Route): Json {
  if (route.stream) return { requestBody: { content: { 'application/octet-stream': {} } } }
  if (route.actions) {
    const alternatives = Object.entries(route.actions).map(([name, action]) => ({
      type: 'object',
      required: [name],
      properties: { [name]: action.body ?? {} },
      'x-policy': action.policy,
      ...versions(action),
    }))
    return { requestBody: { required: true, content: { 'application/json': { schema: { oneOf: alternatives } } } } }
  }
  if (!route.body) return {}
  const type = route.accepts?.[0] ?? 'application/json'
  return { requestBody: { required: true, content: { [type]: { schema: route.body } } } }
}

function versions({ since, until }: Route): Json {
  return { ...(since !== undefined && { 'x-since': since }), ...(until !== undefined && { 'x-until': until }) }
}
