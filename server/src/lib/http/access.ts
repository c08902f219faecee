// Who may: the token of a request, the rules of an application credential, the policy of a route.
import type { FastifyRequest } from 'fastify'
import { type AccessRule, accessAllowed, type Actor, nobody } from '#lib/actor.ts'
import { Fault } from '#lib/fault.ts'
import type { Request, Route, Service } from '#lib/http/route.ts'
import type { Enforcer } from '#lib/policy.ts'

export function hasToken(raw: FastifyRequest): boolean {
  return raw.headers['x-auth-token'] !== undefined || raw.headers['x-storage-token'] !== undefined
}

export function tokenOf(raw: FastifyRequest): string {
  const token = raw.headers['x-auth-token'] ?? raw.headers['x-storage-token']
  if (typeof token !== 'string' || token === '')
    throw new Fault('unauthenticated', 'The request you have made requires authentication.')
  return token
}

export function requireAccess(service: Service, rules: readonly AccessRule[], raw: FastifyRequest): void {
  const path = (raw.url.split('?')[0] ?? '').slice(service.mount.length)
  const services = service.catalog.map(({ type }) => type)
  if (!accessAllowed(rules, { services, method: raw.method, path }))
    throw new Fault('unauthenticated', 'The application credential has no access rule for this request.')
}

/** A token of no project does nothing where scopes are enforced; who needs no token needs no scope. */
export function requireProject(actor: Actor): void {
  if (actor !== nobody && actor.projectId === null)
    throw new Fault('forbidden', 'This service acts in projects: the token has to be for a project.')
}

export function allow(enforcer: Enforcer, route: Route, req: Request<never>, target: unknown): void {
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
