// Carries the services' routes over HTTP: for each request authenticate, negotiate the version, validate, load the
// target, ask the policy, call the handler, write the reply or the fault.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type AccessRule, accessAllowed, type Actor } from '#lib/actor.ts'
import { type Audit, createdIdOf, isAudited, signInOf } from '#lib/audit.ts'
import { type Config, publicUrl } from '#lib/config.ts'
import { Fault, notFound } from '#lib/fault.ts'
import { readBody, readQuery } from '#lib/http/body.ts'
import { faultOf, frameworkFault } from '#lib/http/refusal.ts'
import { isReply, type Request, type Route, type Service } from '#lib/http/route.ts'
import { requireValid, versioned } from '#lib/http/schema.ts'
import { statusOf } from '#lib/http/status.ts'
import { isUuid } from '#lib/id.ts'
import { observeRequest } from '#lib/metrics.ts'
import { negotiate, parseVersion, type Version, versionHeaders, versionText } from '#lib/microversion.ts'
import { type Enforcer, makeEnforcer, readOverrides } from '#lib/policy.ts'
import type { World } from '#lib/world.ts'

export interface ServeOptions {
  world: World
  services: readonly Service[]
  /** Who a token stands for. Throws unauthenticated. */
  authenticate: (token: string) => Promise<Actor>
  /** Whether a region other than our own exists. */
  knowsRegion: (region: string) => boolean
  /** Is told of every authentication and every write. */
  audit?: Audit
}

const nobody: Actor = Object.freeze({
  userId: '',
  userName: '',
  userDomainId: '',
  projectId: null,
  projectName: null,
  projectDomainId: null,
  domainId: null,
  system: false,
  roles: [],
  isAdmin: false,
  trustId: null,
  applicationCredentialId: null,
})

const patienceMs = 3000

interface Prepared {
  route: Route
  since: Version | undefined
  until: Version | undefined
  validator: ReturnType<typeof versioned> | undefined
}

/** A Fastify with every service mounted; not yet listening. */
export function makeServer(options: ServeOptions): FastifyInstance {
  const { world, services } = options
  const { config, log } = world
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
  app.addHttpMethod('COPY', { hasBody: true })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_req, payload, done) => done(null, payload))

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
    const enforcer = makeEnforcer(service.policies, readOverrides(config.policyDir, service.name))
    const { mount, prefix } = service
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

// The region that a request's path named. Regions share one table of routes: what stands before the mount is taken off
// before the router sees it.
const regionOf = new WeakMap<object, string>()

function withoutRegion(services: readonly Service[], raw: { url?: string | undefined }): string {
  const url = raw.url ?? '/'
  const match = /^\/regions\/([^/?]+)(\/.*)$/.exec(url)
  if (!match || !serviceAt(services, match[2]!)?.regional) return url
  try {
    regionOf.set(raw, decodeURIComponent(match[1]!))
    return match[2]!
  } catch {
    return url // the router refuses what cannot be decoded
  }
}

/** What stands below a service's older prefix is its present one. */
function newestPrefix(services: readonly Service[], url: string): string {
  const service = serviceAt(services, url)
  if (service?.olderPrefix === undefined) return url
  const older = `${service.mount}${service.olderPrefix}/`
  return url.startsWith(older) && url.length > older.length && url[older.length] !== '?'
    ? `${service.mount}${service.prefix}/${url.slice(older.length)}`
    : url
}

function serviceAt(services: readonly Service[], path: string): Service | undefined {
  return services.find(({ mount }) => path === mount || path.startsWith(`${mount}/`) || path.startsWith(`${mount}?`))
}

function makeHandler(options: ServeOptions, service: Service, rules: Enforcer, route: Route, pattern: string) {
  const { world, authenticate, knowsRegion, audit } = options
  const { config, db, log } = world
  const base = publicUrl(config)
  const prepare = (each: Route): Prepared => ({
    route: each,
    since: each.since === undefined ? undefined : parseVersion(each.since),
    until: each.until === undefined ? undefined : parseVersion(each.until),
    validator: each.body ? versioned(each.body) : undefined,
  })
  const plain = prepare(route)
  const byAction = route.actions && new Map(Object.entries(route.actions).map(([name, each]) => [name, prepare(each)]))

  return async function handle(raw: FastifyRequest, res: FastifyReply): Promise<FastifyReply> {
    const began = process.hrtime.bigint()
    const requestId = `req-${randomUUID()}`
    res.header('x-openstack-request-id', requestId)
    for (const name of service.requestIdHeaders ?? []) res.header(name, requestId)
    let status = 500
    let actor = nobody
    let failure: unknown
    let body: unknown
    let target: unknown
    let content: unknown
    let actionName: string | undefined
    try {
      if (route.policy === 'optional' ? hasToken(raw) : route.policy !== 'public')
        actor = await authenticate(tokenOf(raw))
      if (actor.accessRules) requireAccess(service, actor.accessRules, raw)
      let version = 0
      if (service.versions) {
        version = negotiate(service.versions, raw.headers)
        res.headers(versionHeaders(service.versions, version))
      }
      const params = raw.params as Record<string, string>
      const named = regionOf.get(raw.raw)
      const region = named ?? config.region
      if (region !== config.region && !knowsRegion(region)) notFound('Region', region)
      if (service.uuidParams)
        for (const [name, value] of Object.entries(params))
          if (/(^id|Id)$/.test(name) && !isUuid(value)) notFound('Resource', value)
      for (const value of Object.values(params))
        if (value.includes('\0')) notFound('Resource', value.replaceAll('\0', ''))

      let chosen = plain
      if (!route.stream) body = await readBody(raw, { limitKb: config.maxBodyKb, accepts: route.accepts })
      if (byAction) [chosen, body, actionName] = chooseAction(byAction, body)
      if (
        (chosen.since !== undefined && version < chosen.since) ||
        (chosen.until !== undefined && version > chosen.until)
      ) {
        if (byAction) throw new Fault('invalid', `This action is not there in API version ${versionText(version)}.`)
        throw new Fault('notFound', 'The resource could not be found.')
      }
      const query = readQuery(raw)
      const enforcer = rules.at(() => ({ address: raw.ip, at: new Date() }))
      const prefix = named === undefined ? '' : `/regions/${encodeURIComponent(named)}`
      const view = {
        version,
        actor,
        policy: enforcer,
        baseUrl: `${base}${prefix}${service.mount}${service.prefix}`,
        region,
      }
      const abort = new AbortController()
      res.raw.once('close', () => abort.abort())
      const req: Request<never> = {
        actor,
        db,
        world,
        body: body as never,
        query,
        params,
        headers: raw.headers,
        version,
        view,
        region,
        requestId,
        url: `${base}${prefix}${raw.url.split('?')[0]}`,
        remoteAddress: raw.ip,
        get log() {
          return log.child({ request: requestId })
        },
        signal: abort.signal,
        stream: raw.raw as Readable,
        origin: { region, projectId: actor.projectId, userId: actor.userId, requestId },
        allows: (rule, target) =>
          enforcer.allows(rule, actor, target ?? { project_id: actor.projectId, user_id: actor.userId }),
        require: (rule, target) =>
          enforcer.require(rule, actor, target ?? { project_id: actor.projectId, user_id: actor.userId }),
      }
      // a route without a target can be refused before its body is looked at
      if (!chosen.route.target) allow(enforcer, chosen.route, req, undefined)
      if (chosen.validator) requireValid(chosen.validator(version), body, 'request body')
      target = await chosen.route.target?.(req)
      if (chosen.route.target) allow(enforcer, chosen.route, req, target)
      const result = await chosen.route.handle(req, target as never)

      const made = isReply(result) ? result : undefined
      content = made ? made.body : result
      status = made?.status ?? chosen.route.status ?? (content === undefined ? 204 : 200)
      if (made?.bare) return sendBare(res, status, made.headers, content)
      if (made) res.headers(made.headers)
      return send(res, status, content)
    } catch (error) {
      failure = error
      const fault = faultOf(error, raw.raw)
      // a Fault of somebody else's making goes into the log with what made it
      if (!(error instanceof Fault)) {
        const about = { err: error, request: requestId, method: raw.method, url: raw.url }
        log[fault ? 'info' : 'error'](about, fault ? fault.message : 'request failed')
      }
      const answer = writeFault(res, service, fault, config, requestId)
      status = res.statusCode
      return answer
    } finally {
      const seconds = Number(process.hrtime.bigint() - began) / 1e9
      observeRequest(service.name, raw.method, pattern, status, seconds)
      if (audit && isAudited(raw.method, status, hasToken(raw)))
        audit.record({
          at: new Date(),
          requestId,
          service: service.name,
          region: regionOf.get(raw.raw) ?? config.region,
          method: raw.method,
          pattern,
          params: raw.params as Record<string, string>,
          action: actionName,
          status,
          fault: failure === undefined ? undefined : failure instanceof Fault ? failure.kind : 'error',
          signIn: raw.method === 'POST' ? signInOf(body, content) : undefined,
          actor,
          address: raw.ip,
          targetProjectId: projectIdOf(target),
          createdId: raw.method === 'POST' && actionName === undefined ? createdIdOf(content) : undefined,
        })
      const level = status >= 500 ? 'error' : raw.method === 'GET' || raw.method === 'HEAD' ? 'debug' : 'info'
      if (log.isLevelEnabled(level)) {
        const why = failure instanceof Fault ? failure.message : undefined
        log[level](
          {
            request: requestId,
            method: raw.method,
            url: raw.url,
            status,
            ms: Math.round(seconds * 1e5) / 100,
            user: actor.userId,
            project: actor.projectId,
            why,
          },
          'request',
        )
      }
    }
  }
}

function allow(enforcer: Enforcer, route: Route, req: Request<never>, target: unknown): void {
  if (route.policy === 'public' || route.policy === 'authenticated' || route.policy === 'optional') return
  const about = route.policyTarget
    ? route.policyTarget(target as never, req)
    : target === undefined
      ? { project_id: req.actor.projectId, tenant_id: req.actor.projectId, user_id: req.actor.userId }
      : ownerOf(target)
  enforcer.require(route.policy, req.actor, enforcer.readsTags ? withTags(about, target) : about)
}

function withTags(about: Record<string, unknown>, target: unknown): Record<string, unknown> {
  const { tags } = (target ?? {}) as { tags?: unknown }
  return tags === undefined ? about : { tags, ...about }
}

function ownerOf(target: unknown): Record<string, unknown> {
  const { projectId, userId } = target as { projectId?: unknown; userId?: unknown }
  return { project_id: projectId, tenant_id: projectId, user_id: userId }
}

function projectIdOf(target: unknown): string | undefined {
  const projectId = (target as { projectId?: unknown } | null | undefined)?.projectId
  return typeof projectId === 'string' ? projectId : undefined
}

function hasToken(raw: FastifyRequest): boolean {
  return raw.headers['x-auth-token'] !== undefined || raw.headers['x-storage-token'] !== undefined
}

function tokenOf(raw: FastifyRequest): string {
  const token = raw.headers['x-auth-token'] ?? raw.headers['x-storage-token']
  if (typeof token !== 'string' || token === '')
    throw new Fault('unauthenticated', 'The request you have made requires authentication.')
  return token
}

function requireAccess(service: Service, rules: readonly AccessRule[], raw: FastifyRequest): void {
  const path = (raw.url.split('?')[0] ?? '').slice(service.mount.length)
  const services = service.catalog.map(({ type }) => type)
  if (!accessAllowed(rules, { services, method: raw.method, path }))
    throw new Fault('unauthenticated', 'The application credential has no access rule for this request.')
}

function chooseAction(byAction: Map<string, Prepared>, body: unknown): [Prepared, unknown, string] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Fault('invalid', 'Malformed request body: it must be an object with the name of one action.')
  const names = Object.keys(body)
  const [name = ''] = names
  const chosen = byAction.get(name)
  if (names.length !== 1) throw new Fault('invalid', 'Malformed request body: it must have exactly one action.')
  if (!chosen) throw new Fault('invalid', `There is no such action: ${name.slice(0, 60)}`)
  return [chosen, (body as Record<string, unknown>)[name], name]
}

function send(res: FastifyReply, status: number, content: unknown): FastifyReply {
  res.code(status)
  if (content === undefined) return res.send()
  if (typeof content === 'string' || Buffer.isBuffer(content) || isReadable(content)) return res.send(content)
  // a Buffer, for Node would make room for three bytes a character of a string
  return res.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(content)))
}

// Past Fastify, which takes headers away from replies that have no body.
function sendBare(res: FastifyReply, status: number, headers: Record<string, string>, content: unknown): FastifyReply {
  const own = res.getHeaders() as OutgoingHttpHeaders
  res.hijack()
  const out = res.raw
  out.writeHead(status, { ...own, ...headers })
  if (isReadable(content)) {
    // when the source fails the client must see it: the connection ends before the length that was promised
    pipeline(content, out, () => {})
  } else if (content === undefined) out.end()
  else out.end(content)
  return res
}

function isReadable(content: unknown): content is Readable {
  return typeof (content as Readable | null)?.pipe === 'function'
}

const internal = new Fault('unavailable', 'An unexpected error prevented the server from fulfilling your request.')

function writeFault(
  res: FastifyReply,
  service: Service | undefined,
  fault: Fault | undefined,
  config: Config,
  requestId?: string,
): FastifyReply {
  const status = fault ? (service?.statuses?.[fault.kind] ?? statusOf[fault.kind]) : 500
  const shown =
    fault ?? (requestId ? new Fault('unavailable', `${internal.message} The request id is ${requestId}.`) : internal)
  const shownId = requestId ?? `req-${randomUUID()}`
  const { body, headers = {} } = service?.envelope(shown, status, shownId) ?? {
    body: { error: { code: status, message: shown.message } },
  }
  if (status === 401) res.header('www-authenticate', `Keystone uri="${publicUrl(config)}/identity"`)
  if (shown.kind === 'tooLarge') res.header('connection', 'close') // the rest of the body is not read
  res.code(status).headers(headers)
  if (!requestId) res.header('x-openstack-request-id', shownId)
  return res
    .header('content-type', headers['content-type'] ?? 'application/json')
    .send(typeof body === 'string' ? body : JSON.stringify(body))
}
