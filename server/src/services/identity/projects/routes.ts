import type { Actor } from '#lib/actor.ts'
import { forbidden, invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type QueryValues, reply, type Request, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { deleteDomain } from '../domains/model.ts'
import { given, mergeExtra, mergeOptions, ownAttributes } from '../fields.ts'
import { flag, readIdentityPage, readTextFilters } from '../lists.ts'
import type { Project } from '../model.ts'
import { routeOn } from '../route-on.ts'
import {
  deleteProject,
  findProject,
  getProject,
  insertProject,
  listAncestors,
  listDescendants,
  listProjects,
  type ProjectFilter,
  rolesInSome,
  updateProject,
} from './model.ts'
import { aboutProject } from './policy.ts'
import { CreateProject, UpdateProject } from './schema.ts'
import { ancestorsAsIds, descendantsAsIds, projectView } from './views.ts'

export const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findProject(db, params['id']!)

/** The domain that a new thing is in when the request does not say: that of the token. */
export function domainOf(actor: Actor): string {
  return actor.domainId ?? actor.projectDomainId ?? 'default'
}

function tagFilter(query: QueryValues): NonNullable<ProjectFilter['tags']> {
  const read = (name: string) => one(query, name)?.split(',')
  return given({
    all: read('tags'),
    any: read('tags-any'),
    notAll: read('not-tags'),
    notAny: read('not-tags-any'),
  })
}

/** parents and subtree, as the query wants them. */
async function family(req: Request, row: Project): Promise<Record<string, unknown>> {
  const { query, db, actor, view } = req
  const wants = (name: string) => flag(query, name) ?? false
  if (wants('parents_as_list') && wants('parents_as_ids')) invalid('Use parents_as_list or parents_as_ids, not both.')
  if (wants('subtree_as_list') && wants('subtree_as_ids')) invalid('Use subtree_as_list or subtree_as_ids, not both.')
  // a list shows whole projects, so only those in which the actor has a role
  const visible = async (rows: Project[]) => {
    const mine = await rolesInSome(
      db,
      actor.userId,
      rows.map(({ id }) => id),
    )
    return rows.filter(({ id }) => mine.has(id)).map((each) => projectView.show(each, view))
  }
  const shown: Record<string, unknown> = {}
  if (wants('parents_as_list') || wants('parents_as_ids')) {
    const ancestors = await listAncestors(db, row.id)
    shown['parents'] = wants('parents_as_ids') ? ancestorsAsIds(ancestors) : await visible(ancestors)
  }
  if (wants('subtree_as_list') || wants('subtree_as_ids')) {
    const descendants = await listDescendants(db, row.id)
    shown['subtree'] = wants('subtree_as_ids') ? descendantsAsIds(row.id, descendants) : await visible(descendants)
  }
  return shown
}

export const projectRoutes = [
  route({
    method: 'POST',
    path: '/projects',
    policy: 'identity:create_project',
    status: 201,
    body: CreateProject,
    async target({ db, body, actor }) {
      const { is_domain: isDomain = false, parent_id: parentId, domain_id: domainId } = body.project
      if (isDomain) return { domainId: null, parentId: parentId ?? null }
      if (domainId) return { domainId, parentId: parentId ?? domainId }
      // a parent says which domain it is
      const parent = parentId ? await findProject(db, parentId) : undefined
      const meant = parent ? (parent.isDomain ? parent.id : parent.domainId) : domainOf(actor)
      return { domainId: meant, parentId: parentId ?? meant }
    },
    policyTarget: (place) => aboutProject(place),
    async handle({ db, body, view }, { domainId, parentId }) {
      const {
        name,
        description,
        enabled = true,
        tags = [],
        options = {},
        is_domain: isDomain = false,
        domain_id: _domain,
        parent_id: _parent,
        ...rest
      } = body.project
      const row = await change(db, (tx) =>
        insertProject(tx, {
          name,
          domainId,
          parentId,
          isDomain,
          description: description ?? '',
          enabled,
          tags,
          options: mergeOptions({}, options),
          extra: ownAttributes(rest),
        }),
      )
      return projectView.show(row, view)
    },
  }),
  route({
    method: 'GET',
    path: '/projects',
    policy: 'identity:list_projects',
    target: async ({ actor }) => actor.domainId,
    policyTarget: (domainId) => (domainId === null ? {} : { target: { domain_id: domainId } }),
    async handle(req) {
      const { db, query, actor } = req
      const { rows, more } = await listProjects(
        db,
        {
          text: readTextFilters(query, ['name', 'domain_id', 'parent_id']),
          enabled: flag(query, 'enabled'),
          isDomain: flag(query, 'is_domain') ?? false,
          within: actor.domainId ?? undefined,
          tags: tagFilter(query),
        },
        readIdentityPage(query),
      )
      return projectView.list(rows, req, more)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/projects/:id',
    policy: 'identity:get_project',
    noun: 'Project',
    find,
    about: aboutProject,
    async handle(req, row) {
      return { project: { ...projectView.item(row, req.view), ...(await family(req, row)) } }
    },
  }),
  routeOn({
    method: 'PATCH',
    path: '/projects/:id',
    policy: 'identity:update_project',
    noun: 'Project',
    body: UpdateProject,
    find,
    about: aboutProject,
    async handle({ db, body, view }, { id }) {
      const asked = body.project
      const {
        name,
        description,
        enabled,
        tags,
        options,
        domain_id: domainId,
        parent_id: parentId,
        is_domain: isDomain,
        ...rest
      } = asked
      const row = await change(db, async (tx) => {
        const before = await getProject(tx, id)
        requireSamePlace(before, { domainId, parentId, isDomain })
        return updateProject(
          tx,
          before,
          given({
            name,
            description: description === null ? '' : description,
            enabled,
            tags,
            options: options && mergeOptions(before.options, options),
            extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
          }),
          asked,
        )
      })
      return projectView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/projects/:id',
    policy: 'identity:delete_project',
    noun: 'Project',
    find,
    about: aboutProject,
    async handle({ db }, { id }) {
      await change(db, async (tx) => {
        const row = await getProject(tx, id)
        await (row.isDomain ? deleteDomain(tx, row) : deleteProject(tx, row))
      })
      return reply({ status: 204 })
    },
  }),
]

function requireSamePlace(
  row: Project,
  asked: {
    domainId: string | null | undefined
    parentId: string | null | undefined
    isDomain: boolean | undefined
  },
): void {
  if (asked.domainId !== undefined && asked.domainId !== row.domainId)
    invalid('A project cannot be moved to another domain.')
  if (asked.isDomain !== undefined && asked.isDomain !== row.isDomain) invalid('Update of is_domain is not allowed.')
  if (asked.parentId !== undefined && asked.parentId !== row.parentId) forbidden('Update of parent_id is not allowed.')
}
