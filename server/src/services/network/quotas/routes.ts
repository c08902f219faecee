import { Type } from 'typebox'
import { Fault, invalid } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict, truth } from '#lib/http/schema.ts'
import { clearQuota, projectsWithQuota, quotaLimits, quotaUse, type Scope, setQuota } from '#lib/quota.ts'
import { aboutProject } from '../policy.ts'
import { Bool } from '../rest/fields.ts'
import { networkQuotas } from './limits.ts'

const Limit = Type.Union([
  Type.Integer({ minimum: -1, maximum: 2_147_483_647 }),
  Type.String({ pattern: '^(-1|\\d{1,9})$' }),
])
const UpdateQuota = strict({
  quota: Type.Object(
    {
      ...Object.fromEntries(Object.keys(networkQuotas).map((name) => [name, Type.Optional(Limit)])),
      check_limit: Type.Optional(Bool),
      tenant_id: Type.Optional(Type.String()),
      project_id: Type.Optional(Type.String()),
    },
    { additionalProperties: false },
  ),
})

const scopeOf = (req: Request, projectId = req.params['project']!): Scope => ({
  service: 'network',
  region: req.region,
  projectId,
})

const here = async () => undefined
const aboutNamed = (_none: unknown, { params }: Pick<Request, 'params'>) => aboutProject(params['project']!)

/** Everybody may look at their own project's quotas. */
function requireMine(req: Request): void {
  const project = req.params['project']!
  if (project !== req.actor.projectId) req.require('get_quota', aboutProject(project))
}

export const quotaRoutes = [
  route({
    method: 'GET',
    path: '/quotas',
    policy: 'get_quota',
    async handle(req) {
      const projects = await projectsWithQuota(req.db, 'network', req.region)
      const quotas = []
      for (const id of projects.filter((each) => req.allows('get_quota', aboutProject(each))))
        quotas.push({ tenant_id: id, project_id: id, ...(await quotaLimits(req.db, scopeOf(req, id))) })
      return { quotas }
    },
  }),
  ...(['tenant', 'project'] as const).map((word) =>
    route({
      method: 'GET',
      path: `/quotas/${word}`,
      policy: 'authenticated',
      handle: async ({ actor }) => ({ [word]: { tenant_id: actor.projectId, project_id: actor.projectId } }),
    }),
  ),
  route({
    method: 'GET',
    path: '/quotas/:project',
    policy: 'authenticated',
    async handle(req) {
      requireMine(req)
      return { quota: await quotaLimits(req.db, scopeOf(req)) }
    },
  }),
  route({
    method: 'GET',
    path: '/quotas/:project/default',
    policy: 'authenticated',
    async handle(req) {
      requireMine(req)
      return { quota: await quotaLimits(req.db, scopeOf(req, '')) }
    },
  }),
  ...['details', 'details.json'].map((word) =>
    route({
      method: 'GET',
      path: `/quotas/:project/${word}`,
      policy: 'authenticated',
      async handle(req) {
        requireMine(req)
        const limits = await quotaLimits(req.db, scopeOf(req))
        const use = await quotaUse(req.db, scopeOf(req))
        return {
          quota: Object.fromEntries(
            Object.entries(limits).map(([name, limit]) => [name, { limit, used: use[name] ?? 0, reserved: 0 }]),
          ),
        }
      },
    }),
  ),
  route({
    method: 'PUT',
    path: '/quotas/:project',
    policy: 'update_quota',
    target: here,
    policyTarget: aboutNamed,
    body: UpdateQuota,
    async handle(req) {
      const { check_limit: check, tenant_id: _, project_id: __, ...asked } = req.body.quota as Record<string, unknown>
      const limits = Object.fromEntries(Object.entries(asked).map(([name, limit]) => [name, Number(limit)]))
      if (check !== undefined && truth(check as boolean)) {
        const use = await quotaUse(req.db, scopeOf(req))
        for (const [name, limit] of Object.entries(limits))
          if (limit >= 0 && (use[name] ?? 0) > limit)
            invalid(`Invalid quota: ${name} has ${use[name]} in use, more than the limit ${limit}.`, {
              code: 'InvalidQuotaValue',
            })
      }
      await req.db.transaction((tx) => setQuota(tx, scopeOf(req), limits))
      return { quota: await quotaLimits(req.db, scopeOf(req)) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/quotas/:project',
    policy: 'delete_quota',
    target: here,
    policyTarget: aboutNamed,
    async handle(req) {
      const projects = await projectsWithQuota(req.db, 'network', req.region)
      if (!projects.includes(req.params['project']!))
        throw new Fault('notFound', `Quota for project ${req.params['project']} could not be found.`, {
          code: 'TenantQuotaNotFound',
        })
      await req.db.transaction((tx) => clearQuota(tx, scopeOf(req)))
      return reply({ status: 204 })
    },
  }),
]
