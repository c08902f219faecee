import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type QueryValues, type Request, route } from '#lib/http/route.ts'
import { flag, listLinks, readIdentityPage } from '../lists.ts'
import type { Project } from '../model.ts'
import { findProject } from '../projects/model.ts'
import { listAssignments } from './list.ts'
import type { AssignmentFilter } from './reach.ts'
import { assignmentView } from './views.ts'

function readFilter(query: QueryValues, effective: boolean): AssignmentFilter {
  const read = (name: string) => one(query, name) || undefined
  const inheritedTo = one(query, 'scope.OS-INHERIT:inherited_to')
  const filter: AssignmentFilter = {
    userId: read('user.id'),
    groupId: read('group.id'),
    roleId: read('role.id'),
    domainId: read('scope.domain.id'),
    system: read('scope.system') !== undefined,
    inherited: inheritedTo === undefined ? undefined : inheritedTo === 'projects',
  }
  const projectId = read('scope.project.id')
  if (filter.domainId !== undefined && projectId !== undefined) invalid('Specify a domain or project, not both.')
  if (filter.system && (filter.domainId ?? projectId) !== undefined)
    invalid('Specify the system, a domain or a project, only one of them.')
  if (filter.userId !== undefined && filter.groupId !== undefined) invalid('Specify a user or group, not both.')
  if (effective && filter.groupId !== undefined) invalid('With effective there are no groups: ask for a user.')
  if (effective && filter.inherited && filter.domainId !== undefined)
    invalid('With effective nothing is inherited to a domain: ask for a project.')
  return filter
}

const subtree = (query: QueryValues) => flag(query, 'include_subtree') ?? false

async function findRoot({ query, db }: Pick<Request, 'query' | 'db'>): Promise<Project | undefined> {
  const id = one(query, 'scope.project.id')
  return id ? findProject(db, id) : undefined
}

/** A project that is not there has no tree either. */
const aimOf = (id: string, root: Project | undefined) => ({
  ...{ id, isDomain: root?.isDomain ?? false, subtree: root !== undefined },
})

export const assignmentListRoutes = [
  route({
    method: 'GET',
    path: '/role_assignments',
    policy: 'authenticated',
    async handle(req) {
      const { db, query, actor, view } = req
      const root = subtree(query) ? await findRoot(req) : undefined
      const domainId = subtree(query) ? root?.domainId : actor.domainId
      req.require(
        subtree(query) ? 'identity:list_role_assignments_for_tree' : 'identity:list_role_assignments',
        domainId ? { target: { domain_id: domainId } } : {},
      )
      const projectId = one(query, 'scope.project.id') || undefined
      if (subtree(query) && projectId === undefined)
        invalid('scope.project.id must be specified if include_subtree is also specified.')
      const effective = flag(query, 'effective') ?? false
      const filter = readFilter(query, effective)
      const { limit, marker } = readIdentityPage(query)
      const { rows, next } = await listAssignments(
        db,
        {
          ...filter,
          project: projectId === undefined ? undefined : aimOf(projectId, root),
          within: actor.domainId ?? undefined,
        },
        { effective, names: flag(query, 'include_names') ?? false, limit, marker },
      )
      return {
        role_assignments: rows.map((row) => assignmentView(row, view)),
        ...(next === undefined ? listLinks(req) : listLinks(req, [{ id: next }], true)),
      }
    },
  }),
]
