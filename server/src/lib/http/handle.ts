// What happens to a request of one route: authenticate, negotiate the version, validate, load the target, ask the policy,
// call the handler, write the reply or the fault; then count it, tell the audit trail and the log.
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Actor, nobody } from '#lib/actor.ts'
import { type Audit, createdIdOf, isAudited, type SignIn, signInOf } from '#lib/audit.ts'
import { enforcesScope, publicUrl } from '#lib/config.ts'
import { Fault, notFound } from '#lib/fault.ts'
import { allow, hasToken, requireAccess, requireProject, tokenOf } from '#lib/http/access.ts'
import { send, sendBare, writeFault } from '#lib/http/answer.ts'
import { readBody, readQuery } from '#lib/http/body.ts'
import { regionNamedBy } from '#lib/http/place.ts'
import { faultOf } from '#lib/http/refusal.ts'
import { isReply, type Request, type Route, type Service } from '#lib/http/route.ts'
import { requireValid, versioned } from '#lib/http/schema.ts'
import { isUuid } from '#lib/id.ts'
import { observeRequest } from '#lib/metrics.ts'
import { negotiate, parseVersion, type Version, versionHeaders, versionText } from '#lib/microversion.ts'
import type { Enforcer } from '#lib/policy.ts'
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

interface Prepared {
  route: Route
  since: Version | undefined
  until: Version | undefined
  validator: ReturnType<typeof versioned> | undefined
}

export function makeHandler(options: ServeOptions, service: Service, rules: Enforcer, route: Route, pattern: string) {
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
  const inProjects = service.regional && enforcesScope(config, service.name)
  const byAction = route.actions && new Map(Object.entries(route.actions).map(([name, each]) => [name, prepare(each)]))

  return async function handle(raw: FastifyRequest, res: FastifyReply): Promise<FastifyReply> {
    const began = performance.now()
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
    let signIn: SignIn | undefined
    let isHalfway = false
    try {
      if (route.policy === 'optional' ? hasToken(raw) : route.policy !== 'public')
        actor = await authenticate(tokenOf(raw))
      if (actor.accessRules) requireAccess(service, actor.accessRules, raw)
      if (inProjects) requireProject(actor)
      let version = 0
      if (service.versions) {
        version = negotiate(service.versions, raw.headers)
        res.headers(versionHeaders(service.versions, version))
      }
      const params = raw.params as Record<string, string>
      const named = regionNamedBy(raw.raw)
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
      let abort: AbortController | undefined
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
        get signal() {
          return (abort ??= abortedWith(res)).signal
        },
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
      signIn = made?.signIn
      isHalfway = made?.isHalfway ?? false
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
      const seconds = (performance.now() - began) / 1000
      observeRequest(service.name, raw.method, pattern, status, seconds)
      if (audit && !isHalfway && (route.signsIn || isAudited(raw.method, status, hasToken(raw))))
        audit.record({
          at: new Date(),
          requestId,
          service: service.name,
          region: regionNamedBy(raw.raw) ?? config.region,
          method: raw.method,
          pattern,
          params: raw.params as Record<string, string>,
          action: actionName,
          status,
          fault: failure === undefined ? undefined : failure instanceof Fault ? failure.kind : 'error',
          signsIn: route.signsIn,
          signIn: signIn ?? (raw.method === 'POST' || route.signsIn ? signInOf(body, content) : undefined),
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

/** Few handlers ask, so it is made when one does: an abort makes an error with a stack. */
function abortedWith(res: FastifyReply): AbortController {
  const abort = new AbortController()
  if (res.raw.destroyed) abort.abort()
  else
    res.raw.once('close', () => {
      if (!res.raw.writableFinished) abort.abort()
    })
  return abort
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

function projectIdOf(target: unknown): string | undefined {
  const projectId = (target as { projectId?: unknown } | null | undefined)?.projectId
  return typeof projectId === 'string' ? projectId : undefined
}
