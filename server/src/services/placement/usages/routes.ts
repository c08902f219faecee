import { invalid } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { route } from '#lib/http/route.ts'
import { atLeast, fresh, requireQuery, requestedProvider } from '../http.ts'
import { listProjectUse, listProviderUse } from './model.ts'

export const usageRoutes = [
  route({
    method: 'GET',
    path: '/resource_providers/:id/usages',
    policy: 'placement:resource_providers:usages',
    target: requestedProvider,
    async handle(req, { id, generation }) {
      return fresh(req, { resource_provider_generation: generation, usages: await listProviderUse(req.db, id) })
    },
  }),
  route({
    method: 'GET',
    path: '/usages',
    policy: 'placement:usages',
    since: '1.9',
    policyTarget: (_target, req) => ({ project_id: one(req.query, 'project_id') }),
    async handle(req) {
      requireQuery(req, { project_id: '1.9', user_id: '1.9', consumer_type: '1.38' })
      const projectId = one(req.query, 'project_id') ?? ''
      if (projectId === '') invalid("Invalid query string parameters: 'project_id' is a required property")
      const type = one(req.query, 'consumer_type')
      if (type !== undefined && !/^([A-Z0-9_]+|all|unknown)$/.test(type))
        invalid(`Invalid query string parameters: '${type}' is no consumer type.`)
      const use = await listProjectUse(req.db, req.region, { projectId, userId: one(req.query, 'user_id'), type })
      if (!atLeast(req, '1.38')) return fresh(req, { usages: use.get('all')?.resources ?? {} })
      if (type !== 'all') use.delete('all')
      else for (const name of use.keys()) if (name !== 'all') use.delete(name)
      const shown = [...use].map(([name, { consumers, resources }]) => [
        name,
        { consumer_count: consumers, ...resources },
      ])
      return fresh(req, { usages: Object.fromEntries(shown) })
    },
  }),
]
