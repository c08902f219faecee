import { notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { findEndpoint } from '../endpoints/model.ts'
import { endpointView } from '../endpoints/views.ts'
import { given } from '../fields.ts'
import { type Endpoint, type Project } from '../model.ts'
import { findProject } from '../projects/model.ts'
import { projectView } from '../projects/views.ts'
import { routeOn } from '../route-on.ts'
import {
  addEndpointToProject,
  addGroupToProject,
  type EndpointGroup,
  endpointsOfProject,
  findEndpointGroup,
  groupsOfProject,
  hasEndpoint,
  insertEndpointGroup,
  listEndpointGroups,
  listEndpointsOf,
  projectsOfEndpoint,
  projectsOfGroup,
  removeEndpointFromProject,
  removeEndpointGroup,
  removeGroupFromProject,
  updateEndpointGroup,
} from './model.ts'
import { CreateEndpointGroup, UpdateEndpointGroup } from './schema.ts'
import { endpointGroupView } from './views.ts'

const groups = '/OS-EP-FILTER/endpoint_groups'
const at = <Row>(find: (db: Request['db'], id: string) => Promise<Row>, param: string) => ({
  find: ({ db, params }: Pick<Request, 'db' | 'params'>) => find(db, params[param]!),
  param,
  about: () => ({}),
})
const onGroup = { noun: 'Endpoint group', ...at(findEndpointGroup, 'id') }
const onProject = { noun: 'Project', ...at(findProject, 'projectId') }
const onEndpoint = { noun: 'Endpoint', ...at(findEndpoint, 'endpointId') }

/** A route about one group in one project. */
function groupInProject(
  method: Method,
  policy: string,
  handle: (req: Request, group: EndpointGroup, project: Project) => Promise<unknown>,
) {
  return routeOn({
    method,
    path: `${groups}/:id/projects/:projectId`,
    policy,
    ...onGroup,
    handle: async (req, group) =>
      handle(
        req,
        group,
        (await findProject(req.db, req.params['projectId']!)) ?? notFound('Project', req.params['projectId']!),
      ),
  })
}
/** A route about one endpoint in one project. */
function endpointInProject(
  method: Method,
  policy: string,
  handle: (req: Request, project: Project, endpoint: Endpoint) => Promise<void>,
) {
  return routeOn({
    method,
    path: '/OS-EP-FILTER/projects/:projectId/endpoints/:endpointId',
    policy,
    ...onProject,
    async handle(req, project) {
      const id = req.params['endpointId']!
      await handle(req, project, (await findEndpoint(req.db, id)) ?? notFound('Endpoint', id))
      return reply({ status: 204 })
    },
  })
}
const requireEndpoint = async ({ db }: Request, project: Project, endpoint: Endpoint) => {
  if (!(await hasEndpoint(db, project.id, endpoint.id))) notFound('Endpoint', `${endpoint.id} in ${project.id}`)
}

export const endpointFilterRoutes = [
  route({
    method: 'POST',
    path: groups,
    policy: 'identity:create_endpoint_group',
    status: 201,
    body: CreateEndpointGroup,
    async handle({ db, body, view }) {
      const { name, description = null, filters } = body.endpoint_group
      const row = await change(db, (tx) => insertEndpointGroup(tx, { name, description, filters }))
      return endpointGroupView.show(row, view)
    },
  }),
  route({
    method: 'GET',
    path: groups,
    policy: 'identity:list_endpoint_groups',
    handle: async (req) => endpointGroupView.list(await listEndpointGroups(req.db, one(req.query, 'name')), req),
  }),
  routeOn({
    method: 'GET',
    path: `${groups}/:id`,
    policy: 'identity:get_endpoint_group',
    ...onGroup,
    handle: async ({ view }, row) => endpointGroupView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: `${groups}/:id`,
    policy: 'identity:update_endpoint_group',
    body: UpdateEndpointGroup,
    ...onGroup,
    async handle({ db, body, view }, { id }) {
      const { name, description, filters } = body.endpoint_group
      const row = await change(db, (tx) => updateEndpointGroup(tx, id, given({ name, description, filters })))
      return endpointGroupView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: `${groups}/:id`,
    policy: 'identity:delete_endpoint_group',
    ...onGroup,
    async handle({ db }, { id }) {
      await change(db, (tx) => removeEndpointGroup(tx, id))
    },
  }),
  routeOn({
    method: 'GET',
    path: `${groups}/:id/projects`,
    policy: 'identity:list_projects_associated_with_endpoint_group',
    ...onGroup,
    handle: async (req, { id }) => projectView.list(await projectsOfGroup(req.db, id), req),
  }),
  routeOn({
    method: 'GET',
    path: `${groups}/:id/endpoints`,
    policy: 'identity:list_endpoints_associated_with_endpoint_group',
    ...onGroup,
    handle: async (req, row) => endpointView(req.world).list(await listEndpointsOf(req.db, row), req),
  }),
  groupInProject('GET', 'identity:get_endpoint_group_in_project', async ({ db, view }, group, { id }) => {
    const all = await groupsOfProject(db, id)
    if (!all.some((each) => each.id === group.id)) notFound('Endpoint group', `${group.id} in ${id}`)
    return endpointGroupView.show(group, view)
  }),
  groupInProject('PUT', 'identity:add_endpoint_group_to_project', async ({ db }, group, project) => {
    await change(db, (tx) => addGroupToProject(tx, project.id, group.id))
  }),
  groupInProject('DELETE', 'identity:remove_endpoint_group_from_project', async ({ db }, group, project) => {
    if (!(await change(db, (tx) => removeGroupFromProject(tx, project.id, group.id))))
      notFound('Endpoint group', `${group.id} in ${project.id}`)
  }),
  routeOn({
    method: 'GET',
    path: '/OS-EP-FILTER/projects/:projectId/endpoint_groups',
    policy: 'identity:list_endpoint_groups_for_project',
    ...onProject,
    handle: async (req, { id }) => endpointGroupView.list(await groupsOfProject(req.db, id), req),
  }),
  routeOn({
    method: 'GET',
    path: '/OS-EP-FILTER/projects/:projectId/endpoints',
    policy: 'identity:list_endpoints_for_project',
    ...onProject,
    handle: async (req, { id }) => endpointView(req.world).list(await endpointsOfProject(req.db, id), req),
  }),
  routeOn({
    method: 'GET',
    path: '/OS-EP-FILTER/endpoints/:endpointId/projects',
    policy: 'identity:list_projects_for_endpoint',
    ...onEndpoint,
    handle: async (req, { id }) => projectView.list(await projectsOfEndpoint(req.db, id), req),
  }),
  endpointInProject('GET', 'identity:check_endpoint_in_project', requireEndpoint),
  endpointInProject('HEAD', 'identity:check_endpoint_in_project', requireEndpoint),
  endpointInProject('PUT', 'identity:add_endpoint_to_project', async ({ db }, project, endpoint) => {
    await change(db, (tx) => addEndpointToProject(tx, project.id, endpoint.id))
  }),
  endpointInProject('DELETE', 'identity:remove_endpoint_from_project', async ({ db }, project, endpoint) => {
    if (!(await change(db, (tx) => removeEndpointFromProject(tx, project.id, endpoint.id))))
      notFound('Endpoint', `${endpoint.id} in ${project.id}`)
  }),
]
