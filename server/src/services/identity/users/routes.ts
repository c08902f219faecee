import { invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type QueryValues, type Request, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { findUserNow, refreshUser } from '../directories/refresh.ts'
import { requireOurDomain, requireOurs, searchUsers } from '../directories/search.ts'
import { findDomain } from '../domains/model.ts'
import { given, mergeExtra, mergeOptions, ownAttributes } from '../fields.ts'
import { listGroups } from '../groups/model.ts'
import { groupView } from '../groups/views.ts'
import { flag, readIdentityPage, readTextFilters } from '../lists.ts'
import { findProject, listProjectsOfUser } from '../projects/model.ts'
import { domainOf } from '../projects/routes.ts'
import { projectView } from '../projects/views.ts'
import { routeOn } from '../route-on.ts'
import { readTime } from '../time.ts'
import { findUser, getUser, insertUser, listUsers, removeUser, updateUser, type UserFilter } from './model.ts'
import { changeOwnPassword, newPassword } from './own-password.ts'
import { aboutUser } from './policy.ts'
import { ChangePassword, CreateUser, UpdateUser } from './schema.ts'
import { userView } from './views.ts'

export const findUserAt =
  (param: string) =>
  ({ db, params }: Pick<Request, 'db' | 'params'>) =>
    findUser(db, params[param]!)
/** The same; a user of a directory as they are there now. */
const findNow = ({ world, params }: Pick<Request, 'world' | 'params'>) => findUserNow(world, params['id']!)
const on = { noun: 'User', find: findNow, about: aboutUser } as const

/** `password_expires_at=lt:2030-01-31T00:00:00Z` */
function passwordEnds(query: QueryValues): UserFilter['passwordEnds'] {
  const text = one(query, 'password_expires_at')
  if (text === undefined) return undefined
  const match = /^(?:(lt|lte|gt|gte|eq|neq):)?(.+)$/.exec(text)
  if (!match) return invalid(`Invalid password_expires_at '${text}'.`)
  const how = (match[1] ?? 'eq') as NonNullable<UserFilter['passwordEnds']>['how']
  return { how, at: readTime(match[2]!, 'password_expires_at') }
}

export function readUserFilter(query: QueryValues): UserFilter {
  return {
    text: readTextFilters(query, ['name', 'domain_id', 'default_project_id', 'email']),
    enabled: flag(query, 'enabled'),
    passwordEnds: passwordEnds(query),
    vouched: {
      providerId: one(query, 'idp_id'),
      protocolId: one(query, 'protocol_id'),
      uniqueId: one(query, 'unique_id'),
    },
  }
}

/** Who is vouched for is found out when they sign in; it is nobody's to say. */
function requireNotFederated(given: object): void {
  if ('federated' in given) invalid('Federated users come to be by signing in: they cannot be made or changed here.')
}

async function requireDefaultProject(req: Pick<Request, 'db'>, id: string | null | undefined): Promise<void> {
  // one that is not there is allowed: it means no default
  if (id && (await findProject(req.db, id))?.isDomain)
    invalid(`The default project ${id} is a domain: name a project in it.`)
}

export const userRoutes = [
  route({
    method: 'POST',
    path: '/users',
    policy: 'identity:create_user',
    status: 201,
    body: CreateUser,
    target: async ({ body, actor }) => body.user.domain_id ?? domainOf(actor),
    policyTarget: (domainId) => aboutUser({ domainId }),
    async handle(req, domainId) {
      const { db, body, view, world } = req
      const {
        name,
        password,
        enabled = true,
        default_project_id: defaultProjectId = null,
        description = null,
        email = null,
        options = {},
        domain_id: _domain,
        ...rest
      } = body.user
      requireNotFederated(rest)
      if (!(await findDomain(db, domainId))) notFound('Domain', domainId)
      await requireOurDomain(world, domainId)
      await requireDefaultProject(req, defaultProjectId)
      const first = password ? await newPassword(world.config, password, options, 'admin') : undefined
      const row = await change(db, (tx) =>
        insertUser(tx, {
          domainId,
          name,
          enabled,
          defaultProjectId,
          description,
          email,
          options: mergeOptions({}, options),
          extra: ownAttributes(rest),
          password: first,
        }),
      )
      return userView.show(row, view)
    },
  }),
  route({
    method: 'GET',
    path: '/users',
    policy: 'identity:list_users',
    target: async ({ actor }) => actor.domainId,
    policyTarget: (domainId) => (domainId === null ? {} : { target: { domain_id: domainId } }),
    async handle(req, domainId) {
      const { db, query, world } = req
      const filter = await searchUsers(world, { ...readUserFilter(query), within: domainId ?? undefined })
      const { rows, more } = await listUsers(db, filter, readIdentityPage(query))
      return userView.list(rows, req, more)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/users/:id',
    policy: 'identity:get_user',
    ...on,
    handle: async ({ view }, row) => userView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/users/:id',
    policy: 'identity:update_user',
    body: UpdateUser,
    ...on,
    async handle(req, { id, domainId, localId, options: had }) {
      const { db, body, view, world } = req
      // the options of a directory's user are ours: which proofs they have to give, what exempts them from lock-out
      if (Object.keys(body.user).some((key) => key !== 'options')) requireOurs({ localId })
      const {
        name,
        password,
        enabled,
        default_project_id: defaultProjectId,
        description,
        email,
        options,
        domain_id: asked,
        ...rest
      } = body.user
      requireNotFederated(rest)
      if (asked !== undefined && asked !== domainId) invalid('A user cannot be moved to another domain.')
      await requireDefaultProject(req, defaultProjectId)
      const next =
        typeof password === 'string'
          ? await newPassword(world.config, password, mergeOptions(had, options), 'admin')
          : password
      const row = await change(db, async (tx) => {
        const before = await getUser(tx, id)
        const fields = given({
          name,
          enabled,
          defaultProjectId,
          description,
          email,
          options: options && mergeOptions(before.options, options),
          extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
        })
        return updateUser(tx, before, fields, next)
      })
      return userView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/users/:id',
    policy: 'identity:delete_user',
    ...on,
    async handle({ db }, { id, localId }) {
      requireOurs({ localId })
      await change(db, async (tx) => removeUser(tx, await getUser(tx, id)))
    },
  }),
  route({
    // whose password has expired has no token and cannot get one: the old password is the proof
    method: 'POST',
    path: '/users/:id/password',
    policy: 'public',
    body: ChangePassword,
    async handle({ world, body, params, remoteAddress }) {
      const { original_password: original, password } = body.user
      await changeOwnPassword(world, remoteAddress, params['id']!, original, password)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/users/:id/groups',
    policy: 'identity:list_groups_for_user',
    noun: 'User',
    find: findUserAt('id'),
    about: (row, { params }) => ({ user_id: params['id'], ...aboutUser(row) }),
    async handle(req, row) {
      const { db, query, world } = req
      const { id } = row
      await refreshUser(world, row)
      const filter = {
        text: readTextFilters(query, ['name', 'domain_id']),
        withMember: id,
        // one's own groups are shown wherever they are
        within: id === req.actor.userId ? undefined : (req.actor.domainId ?? undefined),
      }
      const { rows, more } = await listGroups(db, filter, readIdentityPage(query))
      return groupView.list(rows, req, more)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/users/:id/projects',
    policy: 'identity:list_user_projects',
    ...on,
    async handle(req, { id }) {
      const wanted = flag(req.query, 'enabled')
      const name = one(req.query, 'name')
      const rows = await listProjectsOfUser(req.db, id)
      return projectView.list(
        rows.filter(
          (row) => (wanted === undefined || row.enabled === wanted) && (name === undefined || row.name === name),
        ),
        req,
      )
    },
  }),
]
