import { type Static, Type } from 'typebox'
import { and, eq, sql } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { requireQuota } from '#lib/quota.ts'
import { view } from '#lib/view.ts'
import { rbacActions, rbacObjects, type RbacPolicy, rbacPolicy } from '../model.ts'
import { aboutProject } from '../policy.ts'
import { asked, askerOf, ownerOf } from '../rest/body.ts'
import { Id, owner, ownerShown } from '../rest/fields.ts'
import { type Filters, pick } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { oneOrMany, only } from '../rest/schema.ts'
import { createPolicy, deletePolicy, type NewPolicy, retargetPolicy } from './change.ts'
import { everyProject } from './model.ts'

const Target = Type.String({ minLength: 1, maxLength: 255 })
const PolicyCreate = strict({
  ...owner,
  object_type: Type.Enum([...rbacObjects]),
  object_id: Id,
  action: Type.Enum([...rbacActions]),
  target_tenant: Type.Optional(Target),
  target_project_id: Type.Optional(Target),
})
type PolicyCreate = Static<typeof PolicyCreate>

const policyView = view<RbacPolicy>(['rbac_policy', 'rbac_policies'], {
  id: (r) => r.id,
  ...ownerShown,
  object_type: (r) => r.objectType,
  object_id: (r) => r.objectId,
  action: (r) => r.action,
  target_tenant: (r) => r.targetProject,
})
const policyFilters: Filters = {
  id: rbacPolicy.id,
  project_id: rbacPolicy.projectId,
  tenant_id: rbacPolicy.projectId,
  object_type: rbacPolicy.objectType,
  object_id: rbacPolicy.objectId,
  action: rbacPolicy.action,
  target_tenant: rbacPolicy.targetProject,
}

async function target(req: Request): Promise<RbacPolicy> {
  const { isAdmin, projectId } = askerOf(req)
  const [found] = await req.db
    .select()
    .from(rbacPolicy)
    .where(
      and(
        eq(rbacPolicy.region, req.region),
        eq(rbacPolicy.id, req.params['id']!),
        isAdmin ? undefined : eq(rbacPolicy.projectId, projectId),
      ),
    )
  return found ?? notFound('RBAC Policy', req.params['id']!)
}

function requireTarget(req: Request, action: 'create' | 'update', projectId: string, to: string): void {
  const about = { ...aboutProject(projectId), target_tenant: to, target_project: to }
  for (const member of ['target_tenant', 'target_project']) req.require(`${action}_rbac_policy:${member}`, about)
}

export const rbacRoutes = [
  route({
    method: 'GET',
    path: '/rbac-policies',
    policy: 'get_rbac_policy',
    async handle(req) {
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${rbacPolicy.region} = ${req.region} and ${
        isAdmin ? sql`true` : sql`${rbacPolicy.projectId} = ${projectId}`
      }`
      const { rows, links } = await listRows(req, rbacPolicy, policyFilters, where)
      return {
        rbac_policies: rows.map((row) => pick(req.query, policyView.item(row, req.view))),
        ...(links && { rbac_policies_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/rbac-policies',
    policy: 'create_rbac_policy',
    body: oneOrMany('rbac_policy', 'rbac_policies', PolicyCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<PolicyCreate>(req.body, 'rbac_policy', 'rbac_policies')
      const specs = items.map((item): NewPolicy => {
        const projectId = ownerOf(req, item)
        const targetProject = item.target_tenant ?? item.target_project_id ?? everyProject
        requireTarget(req, 'create', projectId, targetProject)
        return {
          projectId,
          targetProject,
          objectType: item.object_type,
          objectId: item.object_id,
          action: item.action,
        }
      })
      const rows = await req.db.transaction(async (tx) => {
        for (const [projectId, all] of Map.groupBy(specs, (each) => each.projectId))
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, { rbac_policy: all.length })
        const made: RbacPolicy[] = []
        for (const spec of specs) made.push(await createPolicy(tx, req, spec, askerOf(req)))
        return made
      })
      return bulk ? policyView.list(rows, req.view) : policyView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/rbac-policies/:id',
    policy: 'get_rbac_policy',
    target,
    handle: async (req, found) => ({ rbac_policy: pick(req.query, policyView.item(found, req.view)) }),
  }),
  route({
    method: 'PUT',
    path: '/rbac-policies/:id',
    policy: 'update_rbac_policy',
    body: only(
      'rbac_policy',
      strict({ target_tenant: Type.Optional(Target), target_project_id: Type.Optional(Target) }),
    ),
    target,
    async handle(req, found) {
      const { target_tenant, target_project_id } = req.body.rbac_policy
      const to = target_tenant ?? target_project_id ?? found.targetProject
      requireTarget(req, 'update', found.projectId, to)
      return policyView.show(await req.db.transaction((tx) => retargetPolicy(tx, req, found, to)), req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/rbac-policies/:id',
    policy: 'delete_rbac_policy',
    target,
    async handle(req, found) {
      await req.db.transaction((tx) => deletePolicy(tx, req, found))
      return reply({ status: 204 })
    },
  }),
]
