import { forbidden, invalid, notFound } from '#lib/fault.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { findGroupNow, findUserNow, refreshMembers } from '../directories/refresh.ts'
import { readOnly, requireOurDomain, requireOurs, searchGroups } from '../directories/search.ts'
import { findDomain } from '../domains/model.ts'
import { given, mergeExtra, ownAttributes } from '../fields.ts'
import { readIdentityPage, readTextFilters } from '../lists.ts'
import type { Group } from '../model.ts'
import { domainOf } from '../projects/routes.ts'
import { routeOn } from '../route-on.ts'
import { addMember, isMember, listUsers, removeMember, type UserRow } from '../users/model.ts'
import { readUserFilter } from '../users/routes.ts'
import { userView } from '../users/views.ts'
import { getGroup, insertGroup, listGroups, removeGroup, updateGroup } from './model.ts'
import { aboutGroup } from './policy.ts'
import { CreateGroup, UpdateGroup } from './schema.ts'
import { groupView } from './views.ts'

const find = ({ world, params }: Pick<Request, 'world' | 'params'>) => findGroupNow(world, params['id']!)
const on = { noun: 'Group', find, about: aboutGroup } as const

/** A route about one user in one group: it needs both to be there. */
function membership(
  method: Method,
  policy: string,
  handle: (req: Request, group: Group, user: UserRow) => Promise<void>,
) {
  return route({
    method,
    path: '/groups/:id/users/:userId',
    policy,
    target: async (req) => ({ group: await find(req), user: await findUserNow(req.world, req.params['userId']!) }),
    policyTarget: ({ group, user }) => ({
      target: {
        ...(group && { group: { id: group.id, domain_id: group.domainId } }),
        ...(user && { user: { id: user.id, domain_id: user.domainId } }),
      },
    }),
    async handle(req, { group, user }) {
      if (!group) return notFound('Group', req.params['id']!)
      if (!user) return notFound('User', req.params['userId']!)
      await handle(req, group, user)
      return reply({ status: 204 })
    },
  })
}

async function requireMembership({ db }: Request, group: Group, user: UserRow): Promise<void> {
  if (!(await isMember(db, group.id, user.id))) notMember(group, user)
}
/** Throws forbidden, in Keystone's words: a directory keeps its members, and nobody is in a group of elsewhere. */
function requireSameKeeper(group: Group, user: UserRow): void {
  if ((group.localId === null) !== (user.localId === null))
    forbidden(
      `Group membership across backend boundaries is not allowed. Group in question is ${group.id}, user is ${user.id}.`,
    )
  if (group.localId !== null) readOnly()
}
const notMember = (group: Group, user: UserRow) => notFound(`User ${user.id} in group`, group.id)

export const groupRoutes = [
  route({
    method: 'POST',
    path: '/groups',
    policy: 'identity:create_group',
    status: 201,
    body: CreateGroup,
    target: async ({ body, actor }) => body.group.domain_id ?? domainOf(actor),
    policyTarget: (domainId) => aboutGroup({ domainId }),
    async handle({ db, body, view, world }, domainId) {
      const { name, description, domain_id: _domain, ...rest } = body.group
      if (!(await findDomain(db, domainId))) notFound('Domain', domainId)
      await requireOurDomain(world, domainId)
      const spec = { domainId, name, description: description ?? '', extra: ownAttributes(rest) }
      return groupView.show(await change(db, (tx) => insertGroup(tx, spec)), view)
    },
  }),
  route({
    method: 'GET',
    path: '/groups',
    policy: 'identity:list_groups',
    target: async ({ actor }) => actor.domainId,
    policyTarget: (domainId) => (domainId === null ? {} : aboutGroup({ domainId })),
    async handle(req, domainId) {
      const { db, query, world } = req
      const filter = { text: readTextFilters(query, ['name', 'domain_id']), within: domainId ?? undefined }
      const { rows, more } = await listGroups(db, await searchGroups(world, filter), readIdentityPage(query))
      return groupView.list(rows, req, more)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/groups/:id',
    policy: 'identity:get_group',
    ...on,
    handle: async ({ view }, row) => groupView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/groups/:id',
    policy: 'identity:update_group',
    body: UpdateGroup,
    ...on,
    async handle({ db, body, view }, { id, domainId, localId }) {
      requireOurs({ localId })
      const { name, description, domain_id: asked, ...rest } = body.group
      if (asked !== undefined && asked !== domainId) invalid('A group cannot be moved to another domain.')
      const row = await change(db, async (tx) => {
        const before = await getGroup(tx, id)
        return updateGroup(
          tx,
          id,
          given({
            name: name?.trim(),
            description: description === null ? '' : description,
            extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
          }),
        )
      })
      return groupView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/groups/:id',
    policy: 'identity:delete_group',
    tells: true,
    ...on,
    async handle({ db }, { id, localId }) {
      requireOurs({ localId })
      await change(db, async (tx) => removeGroup(tx, await getGroup(tx, id)))
    },
  }),
  routeOn({
    method: 'GET',
    path: '/groups/:id/users',
    policy: 'identity:list_users_in_group',
    ...on,
    async handle(req, row) {
      const { id } = row
      const { db, query, world } = req
      await refreshMembers(world, row)
      const filter = { ...readUserFilter(query), inGroup: id, within: req.actor.domainId ?? undefined }
      const { rows, more } = await listUsers(db, filter, readIdentityPage(query))
      return userView.list(rows, req, more)
    },
  }),
  membership('PUT', 'identity:add_user_to_group', async ({ db }, group, user) => {
    requireSameKeeper(group, user)
    await change(db, (tx) => addMember(tx, group.id, user.id))
  }),
  membership('GET', 'identity:check_user_in_group', requireMembership),
  membership('HEAD', 'identity:check_user_in_group', requireMembership),
  membership('DELETE', 'identity:remove_user_from_group', async ({ db }, group, user) => {
    requireSameKeeper(group, user)
    if (!(await change(db, (tx) => removeMember(tx, group.id, user.id)))) notMember(group, user)
  }),
]
