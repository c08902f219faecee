import { notFound } from '#lib/fault.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import type { Role } from '../model.ts'
import { findRole, getRole, imply, listImplied, listRolesById, unimply } from './model.ts'
import { aboutRole } from './policy.ts'
import { inferenceView } from './views.ts'

/** A route about two roles, the prior one and the one it implies. */
function implication(
  method: Method,
  policy: string,
  handle: (req: Request, prior: Role, implied: Role) => Promise<unknown>,
) {
  return route({
    method,
    path: '/roles/:priorId/implies/:impliedId',
    policy,
    target: ({ db, params }) => findRole(db, params['priorId']!),
    policyTarget: aboutRole,
    async handle(req, prior) {
      if (!prior) return notFound('Role', req.params['priorId']!)
      return handle(req, prior, await getRole(req.db, req.params['impliedId']!))
    },
  })
}

async function requireImplied({ db }: Request, prior: Role, implied: Role): Promise<void> {
  const all = await listImplied(db, prior.id)
  if (!all.some((each) => each.implied.id === implied.id)) notFound(`Role ${prior.id} implying role`, implied.id)
}
const shown = ({ url, view }: Request, prior: Role, implied: Role | Role[]) => ({
  role_inference: inferenceView(prior, implied, view),
  links: { self: url },
})

export const impliedRoleRoutes = [
  route({
    method: 'GET',
    path: '/roles/:priorId/implies',
    policy: 'identity:list_implied_roles',
    target: ({ db, params }) => findRole(db, params['priorId']!),
    policyTarget: aboutRole,
    async handle(req, prior) {
      if (!prior) return notFound('Role', req.params['priorId']!)
      const implied = await listImplied(req.db, prior.id)
      return shown(
        req,
        prior,
        implied.map((each) => each.implied),
      )
    },
  }),
  implication('GET', 'identity:get_implied_role', async (req, prior, implied) => {
    await requireImplied(req, prior, implied)
    return shown(req, prior, implied)
  }),
  implication('HEAD', 'identity:check_implied_role', requireImplied),
  implication('PUT', 'identity:create_implied_role', async (req, prior, implied) => {
    await change(req.db, (tx) => imply(tx, prior, implied))
    return reply({ status: 201, body: shown(req, prior, implied) })
  }),
  implication('DELETE', 'identity:delete_implied_role', async ({ db }, prior, implied) => {
    if (!(await change(db, (tx) => unimply(tx, prior.id, implied.id))))
      notFound(`Role ${prior.id} implying role`, implied.id)
  }),
  route({
    method: 'GET',
    path: '/role_inferences',
    policy: 'identity:list_role_inference_rules',
    async handle({ db, view, url }) {
      const all = await listImplied(db)
      const priors = await listRolesById(db, [...new Set(all.map(({ priorRoleId }) => priorRoleId))])
      return {
        role_inferences: priors.map((prior) =>
          inferenceView(
            prior,
            all.filter(({ priorRoleId }) => priorRoleId === prior.id).map(({ implied }) => implied),
            view,
          ),
        ),
        links: { next: null, self: url, previous: null },
      }
    },
  }),
]
