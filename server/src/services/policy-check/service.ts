// `GET /policy-check`: may someone do something, by which rule, and what is missing.
import type { Actor } from '#lib/actor.ts'
import type { Config } from '#lib/config.ts'
import { Fault, invalid } from '#lib/fault.ts'
import { many, one } from '#lib/http/page.ts'
import { type QueryValues, type Request, route, type Service } from '#lib/http/route.ts'
import { admin, type Enforcer, makeEnforcer, policies, readOverrides, type Target } from '#lib/policy.ts'

const rules = policies({
  // about oneself everybody may ask; about others those who could give them roles
  'policy_check:others': admin,
})

export interface Known {
  /** All services, asked for when a request comes: ours is one of them. */
  services: () => readonly Service[]
  config: Config
  /** What a user is in a project. Throws unauthenticated when they cannot go there. */
  actorOf: (userId: string, projectId: string) => Promise<Actor>
}

const asked = new Set(['service', 'rule', 'user_id', 'project_id', 'address', 'at'])

export function policyCheckService({ services, config, actorOf }: Known): Service {
  const enforcers = new Map<string, Enforcer>()
  const enforcerOf = (name: string): Enforcer => {
    const service = services().find((each) => each.name === name)
    if (!service) invalid(`There is no service '${name.slice(0, 60)}'; there are ${listed(services())}.`)
    let enforcer = enforcers.get(name)
    if (!enforcer) {
      enforcer = makeEnforcer(service.policies, readOverrides(config.policyDir, name, service.renamedPolicies))
      enforcers.set(name, enforcer)
    }
    return enforcer
  }
  /** The service that has the rule, when only the rule is named. */
  const findService = (rule: string): string => {
    const having = services().filter(({ name }) => enforcerOf(name).has(rule))
    if (having.length === 1) return having[0]!.name
    return invalid(
      having.length === 0
        ? `No service has a rule '${rule.slice(0, 120)}'.`
        : `More than one service has a rule '${rule.slice(0, 120)}': say which (service=${listed(having)}).`,
    )
  }
  const someone = async (req: Request): Promise<Actor> => {
    const userId = one(req.query, 'user_id') ?? req.actor.userId
    const projectId = one(req.query, 'project_id') ?? req.actor.projectId
    if (userId === req.actor.userId && projectId === req.actor.projectId) return req.actor
    if (userId !== req.actor.userId) req.require('policy_check:others')
    if (projectId === null) return invalid('Say in which project: project_id.')
    try {
      return await actorOf(userId, projectId)
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return invalid(`The user ${userId.slice(0, 64)} has no role in the project ${projectId.slice(0, 64)}.`)
    }
  }
  return {
    name: 'policy-check',
    mount: '/policy-check',
    prefix: '',
    regional: false,
    catalog: [],
    uuidParams: false,
    policies: rules,
    envelope: (fault, status) => ({ body: { error: { code: status, message: fault.message } } }),
    routes: [
      route({
        method: 'GET',
        path: '',
        policy: 'authenticated',
        async handle(req) {
          const rule = one(req.query, 'rule') ?? invalid('Say which rule: rule=os_compute_api:servers:delete.')
          const service = one(req.query, 'service') ?? findService(rule)
          const enforcer = enforcerOf(service)
          if (!enforcer.has(rule)) invalid(`The service ${service} has no rule '${rule.slice(0, 120)}'.`)
          const actor = await someone(req)
          const target = targetOf(req.query, actor)
          const circumstances = { address: one(req.query, 'address') ?? req.remoteAddress, at: timeOf(req.query) }
          const { allowed, text, deniedBy, missing } = enforcer.explain(rule, actor, target, circumstances)
          return {
            allowed,
            service,
            rule: { name: rule, text },
            denied_by: deniedBy,
            missing,
            actor: {
              user_id: actor.userId,
              project_id: actor.projectId,
              domain_id: actor.domainId,
              system: actor.system,
              roles: actor.roles,
            },
            target,
          }
        },
      }),
    ],
  }
}

const listed = (services: readonly Service[]) => services.map(({ name }) => name).join(', ')

function timeOf(query: QueryValues): Date {
  const text = one(query, 'at')
  const time = text === undefined ? new Date() : new Date(text)
  return Number.isNaN(time.getTime()) ? invalid("'at' must be a time in ISO 8601.") : time
}

/** `target.project_id=…`, `target.tags=a&target.tags=b`; without any: what is the actor's own. */
function targetOf(query: QueryValues, actor: Actor): Target {
  const target: Record<string, unknown> = {}
  for (const name of Object.keys(query)) {
    if (name.startsWith('target.') && name.length > 7) {
      const key = name.slice(7)
      target[key] = key === 'tags' ? many(query, name) : one(query, name)
    } else if (!asked.has(name)) invalid(`There is no parameter '${name.slice(0, 60)}'; attributes are target.<name>.`)
  }
  if (Object.keys(target).length === 0)
    return { project_id: actor.projectId, tenant_id: actor.projectId, user_id: actor.userId }
  if ('project_id' in target && !('tenant_id' in target)) target['tenant_id'] = target['project_id']
  return target
}
