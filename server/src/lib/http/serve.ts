// Carries the services' routes over HTTP. Where a path leads: place.ts. What happens to a request: handle.ts.
import { readFileSync } from 'node:fs'
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import { requireScopeNames } from '#lib/config.ts'
import { Fault } from '#lib/fault.ts'
import { writeFault } from '#lib/http/answer.ts'
import { makeHandler, type ServeOptions } from '#lib/http/handle.ts'
import { newestPrefix, serviceAt, withoutRegion } from '#lib/http/place.ts'
import { frameworkFault } from '#lib/http/refusal.ts'
import { idleOverrides, makeEnforcer, readOverrides } from '#lib/policy.ts'

const patienceMs = 3000

/** A Fastify with every service mounted; not yet listening. */
export function makeServer(options: ServeOptions): FastifyInstance {
  const { world, services } = options
  const { config, log } = world
  requireScopeNames(config, services)
  const tls = config.tlsCertificate
    ? { https: { cert: readFileSync(config.tlsCertificate), key: readFileSync(config.tlsKey) } }
    : {}
  const app = fastify({
    ...tls,
    logger: false,
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 500 },
    keepAliveTimeout: 75_000,
    requestTimeout: 0,
    bodyLimit: Number.MAX_SAFE_INTEGER, // each route limits its own
    forceCloseConnections: 'idle',
    rewriteUrl: (raw) => newestPrefix(services, withoutRegion(services, raw)),
    frameworkErrors: (error, req, res) => {
      void writeFault(
        res as unknown as FastifyReply,
        serviceAt(services, req.url),
        new Fault('invalid', `The request cannot be read: ${error.message}.`),
        config,
      )
    },
  }) as unknown as FastifyInstance
  // bodies are read by the routes, which know what may be in them: Fastify is to look at no body and no content type
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'COPY'])
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true })

  // Going down: requests that are under way may end, and their connections with them, but not for ever.
  app.addHook('preClose', async () => {
    const tidy = setInterval(() => app.server.closeIdleConnections(), 50).unref()
    const patience = setTimeout(() => app.server.closeAllConnections(), patienceMs).unref()
    app.server.once('close', () => {
      clearInterval(tidy)
      clearTimeout(patience)
    })
  })

  const patterns: RegExp[] = []
  for (const service of services) {
    const { mount, prefix, name, policies, renamedPolicies = {} } = service
    const overrides = readOverrides(config.policyDir, name, renamedPolicies)
    const enforcer = makeEnforcer(policies, overrides)
    const idle = idleOverrides(policies, overrides, renamedPolicies)
    if (idle.length > 0) log.warn({ service: name, rules: idle }, 'the policy file has rules that nothing asks for')
    const all = [
      ...service.routes.map((route) => ({ route, path: `${mount}${prefix}${route.path}` })),
      ...(service.rootRoutes ?? []).map((route) => ({ route, path: `${mount}${route.path}` })),
    ]
    const explicitHeads = new Set(all.filter(({ route }) => route.method === 'HEAD').map(({ path }) => path))
    for (const { route, path } of all) {
      const handler = makeHandler(options, service, enforcer, route, path)
      const head = route.method === 'GET' && !explicitHeads.has(path)
      app.route({ method: head ? ['GET', 'HEAD'] : route.method, url: path, handler })
      patterns.push(new RegExp(`^${path.replaceAll(/:[A-Za-z]+/g, '[^/]+').replaceAll('*', '.*')}/?$`))
    }
  }
  app.setNotFoundHandler((req, res) => {
    const path = req.url.split('?')[0] ?? ''
    const known = patterns.some((pattern) => pattern.test(path))
    const fault = known
      ? new Fault('methodNotAllowed', `The method ${req.method} is not allowed for this resource.`)
      : new Fault('notFound', 'The resource could not be found.')
    return writeFault(res, serviceAt(services, req.url), fault, config)
  })
  app.setErrorHandler((error, req, res) => {
    const fault = frameworkFault(error)
    if (!fault) log.error({ err: error, url: req.url }, 'unexpected')
    return writeFault(res, serviceAt(services, req.url), fault, config)
  })
  return app
}
