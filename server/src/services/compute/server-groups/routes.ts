import { Type } from 'typebox'
import { and, eq } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { Name, since, strict, until } from '#lib/http/schema.ts'
import { parseVersion } from '#lib/microversion.ts'
import { requireQuota } from '#lib/quota.ts'
import { view } from '#lib/view.ts'
import { Count, queryCount, queryTruth, toCount } from '../wire.ts'
import {
  deleteGroup,
  getGroup,
  type GroupMember,
  groupPolicies,
  insertGroup,
  membersOf,
  type ServerGroup,
  serverGroup,
} from './model.ts'

const hasSoft = parseVersion('2.15')
const onePolicy = parseVersion('2.64')

const CreateGroup = strict({
  server_group: strict({
    name: Name,
    policies: Type.Optional(until('2.63', Type.Array(Type.Enum([...groupPolicies]), { minItems: 1, maxItems: 1 }))),
    policy: Type.Optional(since('2.64', Type.Enum([...groupPolicies]))),
    rules: Type.Optional(since('2.64', strict({ max_server_per_host: Type.Optional(Count) }))),
  }),
})

interface Shown extends ServerGroup {
  members: readonly GroupMember[]
}
const groupView = view<Shown>(['server_group', 'server_groups'], {
  id: (g) => g.id,
  name: (g) => g.name,
  members: (g) => g.members.map((member) => member.id),
  policies: { until: '2.63', get: (g) => [g.policy] },
  metadata: { until: '2.63', get: () => ({}) },
  policy: { since: '2.64', get: (g) => g.policy },
  rules: {
    since: '2.64',
    get: (g) =>
      g.policy === 'anti-affinity' && g.maxServerPerHost !== 1 ? { max_server_per_host: g.maxServerPerHost } : {},
  },
  project_id: { since: '2.13', get: (g) => g.projectId },
  user_id: { since: '2.13', get: (g) => g.userId },
})

async function groupTarget(req: Pick<Request, 'db' | 'region' | 'params' | 'actor'>): Promise<ServerGroup> {
  const id = req.params['id']!
  const group = await getGroup(req.db, req.region, id)
  return group.projectId === req.actor.projectId || req.actor.isAdmin ? group : notFound('Instance group', id)
}

export const serverGroupRoutes = [
  route({
    method: 'GET',
    path: '/os-server-groups',
    policy: 'os_compute_api:os-server-groups:index',
    async handle(req) {
      const { db, region, query, actor } = req
      const all =
        one(query, 'all_projects') !== undefined &&
        (one(query, 'all_projects') === '' || queryTruth(query, 'all_projects')) &&
        actor.isAdmin
      if (all) req.require('os_compute_api:os-server-groups:index:all_projects')
      const limit = Math.min(queryCount(query, 'limit') ?? 1000, 1000)
      const rows = await db
        .select()
        .from(serverGroup)
        .where(and(eq(serverGroup.region, region), all ? undefined : eq(serverGroup.projectId, actor.projectId ?? '')))
        .orderBy(serverGroup.createdAt, serverGroup.id)
        .limit(limit)
        .offset(queryCount(query, 'offset') ?? 0)
      const members = await membersOf(
        db,
        rows.map((row) => row.id),
      )
      return groupView.list(
        rows.map((row) => ({ ...row, members: members.get(row.id) ?? [] })),
        req.view,
      )
    },
  }),
  route({
    method: 'POST',
    path: '/os-server-groups',
    policy: 'os_compute_api:os-server-groups:create',
    body: CreateGroup,
    async handle(req) {
      const { name, policies: list, policy: single, rules } = req.body.server_group
      const policy = req.version >= onePolicy ? single : list?.[0]
      if (policy === undefined)
        return invalid(
          `A server group has a policy: '${req.version >= onePolicy ? 'policy' : 'policies'}' is required.`,
        )
      if (policy.startsWith('soft-') && req.version < hasSoft)
        invalid(`The policy ${policy} is there since API version 2.15.`)
      if (rules?.max_server_per_host !== undefined && policy !== 'anti-affinity')
        invalid('Only anti-affinity policy supports rules.')
      const maxServerPerHost = toCount(rules?.max_server_per_host ?? 1, 'server_group.rules.max_server_per_host', 1)
      const { region, actor, db } = req
      const projectId = actor.projectId ?? ''
      const made = await db.transaction(async (tx) => {
        await requireQuota(tx, { service: 'compute', region, projectId }, { server_groups: 1 })
        return insertGroup(tx, { region, projectId, userId: actor.userId, name: name.trim(), policy, maxServerPerHost })
      })
      return groupView.show({ ...made, members: [] }, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/os-server-groups/:id',
    policy: 'os_compute_api:os-server-groups:show',
    target: groupTarget,
    async handle({ db, view: viewer }, group) {
      const members = (await membersOf(db, [group.id])).get(group.id) ?? []
      return groupView.show({ ...group, members }, viewer)
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-server-groups/:id',
    policy: 'os_compute_api:os-server-groups:delete',
    target: groupTarget,
    async handle({ db }, group) {
      await db.transaction((tx) => deleteGroup(tx, group.id))
    },
  }),
]
