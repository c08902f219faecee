// Where the one who asks can go: /auth/projects, /auth/domains, /auth/system, and what is there: /auth/catalog.
import { forbidden } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { readCatalog } from '../catalog/model.ts'
import { domainView } from '../domains/views.ts'
import { listLinks } from '../lists.ts'
import type { Project } from '../model.ts'
import { getProject, listDomainsOfUser, listProjectsOfUser } from '../projects/model.ts'
import { projectView } from '../projects/views.ts'
import { rolesOf } from './roles-of.ts'

/** Only what is enabled, in a domain that is: nobody can go elsewhere. */
async function open(req: Pick<Request, 'db' | 'query'>, rows: Project[]): Promise<Project[]> {
  const domains = new Map<string, boolean>()
  const seen: Project[] = []
  for (const row of rows) {
    if (!row.enabled) continue
    if (row.domainId !== null && !domains.has(row.domainId))
      domains.set(row.domainId, (await getProject(req.db, row.domainId)).enabled)
    const name = one(req.query, 'name')
    if ((row.domainId === null || domains.get(row.domainId)) && (name === undefined || name === row.name))
      seen.push(row)
  }
  return seen
}

export const authRoutes = [
  // OS-FEDERATION had them first, and has them still
  ...['/auth', '/OS-FEDERATION'].flatMap((place) => [
    route({
      method: 'GET',
      path: `${place}/projects`,
      policy: 'identity:get_auth_projects',
      handle: async (req) => projectView.list(await open(req, await listProjectsOfUser(req.db, req.actor.userId)), req),
    }),
    route({
      method: 'GET',
      path: `${place}/domains`,
      policy: 'identity:get_auth_domains',
      handle: async (req) => domainView.list(await open(req, await listDomainsOfUser(req.db, req.actor.userId)), req),
    }),
  ]),
  route({
    method: 'GET',
    path: '/auth/system',
    policy: 'identity:get_auth_system',
    async handle(req) {
      const roles = await rolesOf(req.db, req.actor.userId, 'system', '')
      return { system: roles.length > 0 ? [{ all: true }] : [], ...listLinks(req) }
    },
  }),
  route({
    method: 'GET',
    path: '/auth/catalog',
    policy: 'identity:get_auth_catalog',
    async handle({ world, actor, url }) {
      // Keystone has a catalogue only for those who are somewhere
      if (actor.projectId === null && actor.domainId === null && !actor.system)
        forbidden('A token without a scope has no catalogue.')
      return { catalog: await readCatalog(world, actor), links: { next: null, previous: null, self: url } }
    },
  }),
]
