import { type SQL, sql } from '#lib/db.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { one } from '#lib/http/page.ts'
import { requireQuota } from '#lib/quota.ts'
import { type SecurityGroup, securityGroup } from '../model.ts'
import { aboutShareable } from '../policy.ts'
import { everyProject } from '../rbac/model.ts'
import { asked, askerOf, ownerOf, requireRevision } from '../rest/body.ts'
import { maybeTruth, truth } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { createGroup, deleteGroup, updateGroup } from './change.ts'
import { ensureDefaultGroup, findDefaultGroup } from './default.ts'
import { getGroup, groupsFor, rulesOf } from './model.ts'
import { CreateGroups, type GroupCreate, UpdateGroup } from './schema.ts'
import { groupView, type ShownGroup } from './views.ts'

const sharedWith = (projectId: string): SQL =>
  sql`(exists (select 1 from rbac_policy r where r.object_id = ${securityGroup.id}
    and r.action = 'access_as_shared' and r.target_project in (${projectId}, ${everyProject})))`

const groupFilters: Filters = {
  ...standardFilters(securityGroup),
  stateful: securityGroup.stateful,
  shared: (values, req) =>
    sql`${sharedWith(askerOf(req).projectId)} in ${values.map((value) => /^(true|1|yes|on)$/i.test(value))}`,
}

const target = (req: Request) => getGroup(req.db, req.region, req.params['id']!, askerOf(req))

async function shown(req: Request, rows: readonly SecurityGroup[]): Promise<ShownGroup[]> {
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const [rules, shared] = await Promise.all([
    rulesOf(req.db, ids),
    req.db.rows<{ id: string }>(sql`select distinct object_id as id from rbac_policy
      where object_id in ${ids} and action = 'access_as_shared'
        and target_project in (${askerOf(req).projectId}, ${everyProject})`),
  ])
  return rows.map((row) =>
    Object.assign(row, { rules: rules.get(row.id) ?? [], shared: shared.some(({ id }) => id === row.id) }),
  )
}

/** A project's default group is there as soon as somebody looks for groups. */
async function requireDefault(req: Request): Promise<void> {
  const { projectId, isAdmin } = askerOf(req)
  const named = one(req.query, 'project_id') ?? one(req.query, 'tenant_id')
  const looked = isAdmin && named ? named : projectId
  if (looked === '' || (await findDefaultGroup(req.db, req.region, looked))) return
  await req.db.transaction((tx) => ensureDefaultGroup(tx, req.region, looked))
}

export const securityGroupRoutes = [
  route({
    method: 'GET',
    path: '/security-groups',
    policy: 'get_security_group',
    async handle(req) {
      await requireDefault(req)
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${securityGroup.region} = ${req.region} and ${isAdmin ? sql`true` : groupsFor(projectId)}`
      const { rows, links } = await listRows(req, securityGroup, groupFilters, where)
      const all = await shown(req, rows)
      return {
        security_groups: all.map((row) => pick(req.query, groupView.item(row, req.view))),
        ...(links && { security_groups_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/security-groups',
    policy: 'create_security_group',
    body: CreateGroups,
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<GroupCreate>(req.body, 'security_group', 'security_groups')
      const specs = items.map((item) => ({
        projectId: ownerOf(req, item),
        name: item.name ?? '',
        description: item.description ?? '',
        stateful: maybeTruth(item.stateful) ?? true,
      }))
      const rows = await req.db.transaction(async (tx) => {
        const made: SecurityGroup[] = []
        for (const [projectId, all] of Map.groupBy(specs, (each) => each.projectId)) {
          await ensureDefaultGroup(tx, req.region, projectId)
          const more = { security_group: all.length, security_group_rule: 2 * all.length }
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, more)
        }
        for (const spec of specs) made.push(await createGroup(tx, req, spec))
        return made
      })
      const all = await shown(req, rows)
      return bulk ? groupView.list(all, req.view) : groupView.show(all[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/security-groups/:id',
    policy: 'get_security_group',
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      const [row] = await shown(req, [found])
      return { security_group: pick(req.query, groupView.item(row!, req.view)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/security-groups/:id',
    policy: 'update_security_group',
    body: UpdateGroup,
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      requireRevision(req, found)
      const { name, description, stateful } = req.body.security_group
      const after = await req.db.transaction((tx) =>
        updateGroup(tx, req, found.id, {
          ...(name !== undefined && { name }),
          ...(description !== undefined && { description }),
          ...(stateful !== undefined && { stateful: truth(stateful) }),
        }),
      )
      const [row] = await shown(req, [after])
      return groupView.show(row!, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/security-groups/:id',
    policy: 'delete_security_group',
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      requireRevision(req, found)
      await req.db.transaction((tx) => deleteGroup(tx, req, found.id, req.actor.isAdmin))
      return reply({ status: 204 })
    },
  }),
]
