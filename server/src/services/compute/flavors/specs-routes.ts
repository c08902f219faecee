// What belongs to a flavor: extra specs and the projects that may use a private one.
import { Fault, invalid, notFound } from '#lib/fault.ts'
import { action, actions, reply, type Request, route } from '#lib/http/route.ts'
import { parseVersion } from '#lib/microversion.ts'
import { accessOf, addAccess, getFlavor, mergeExtraSpecs, removeAccess, removeExtraSpec } from './model.ts'
import { eyes } from './routes.ts'
import { CreateExtraSpecs, TenantAccess, UpdateExtraSpec } from './schema.ts'
import { requireKnownSpecs } from './specs.ts'

const specsChecked = parseVersion('2.86')
type Asked = Pick<Request, 'db' | 'region' | 'params' | 'actor'>
const flavorOf = (req: Asked) => getFlavor(req.db, req.region, req.params['flavor']!, eyes(req))
const texts = (specs: Record<string, string | number>) =>
  Object.fromEntries(Object.entries(specs).map(([key, value]) => [key, String(value)]))

async function accessList(req: Asked) {
  const id = req.params['flavor']!
  const projects = await accessOf(req.db, req.region, id)
  return { flavor_access: projects.map((projectId) => ({ flavor_id: id, tenant_id: projectId })) }
}

export const flavorPartRoutes = [
  route({
    method: 'GET',
    path: '/flavors/:flavor/os-extra_specs',
    policy: 'os_compute_api:os-flavor-extra-specs:index',
    handle: async (req) => ({ extra_specs: (await flavorOf(req)).extraSpecs }),
  }),
  route({
    method: 'GET',
    path: '/flavors/:flavor/os-extra_specs/:key',
    policy: 'os_compute_api:os-flavor-extra-specs:show',
    async handle(req) {
      const key = req.params['key']!
      const { extraSpecs } = await flavorOf(req)
      return { [key]: extraSpecs[key] ?? notFound('Extra spec', key) }
    },
  }),
  route({
    method: 'POST',
    path: '/flavors/:flavor/os-extra_specs',
    policy: 'os_compute_api:os-flavor-extra-specs:create',
    body: CreateExtraSpecs,
    async handle(req) {
      const specs = texts(req.body.extra_specs)
      if (req.version >= specsChecked) requireKnownSpecs(specs)
      await req.db.transaction((tx) => mergeExtraSpecs(tx, req.region, req.params['flavor']!, specs))
      return { extra_specs: specs }
    },
  }),
  route({
    method: 'PUT',
    path: '/flavors/:flavor/os-extra_specs/:key',
    policy: 'os_compute_api:os-flavor-extra-specs:update',
    body: UpdateExtraSpec,
    async handle(req) {
      const key = req.params['key']!
      if (!(key in req.body))
        invalid(`The request body and the address name different extra specs; ${key} is expected.`)
      const specs = texts(req.body)
      if (req.version >= specsChecked) requireKnownSpecs(specs)
      await req.db.transaction((tx) => mergeExtraSpecs(tx, req.region, req.params['flavor']!, specs))
      return specs
    },
  }),
  route({
    method: 'DELETE',
    path: '/flavors/:flavor/os-extra_specs/:key',
    policy: 'os_compute_api:os-flavor-extra-specs:delete',
    async handle({ db, region, params }) {
      await db.transaction((tx) => removeExtraSpec(tx, region, params['flavor']!, params['key']!))
      return reply({ status: 200 })
    },
  }),
  route({
    method: 'GET',
    path: '/flavors/:flavor/os-flavor-access',
    policy: 'os_compute_api:os-flavor-access',
    async handle(req) {
      if ((await flavorOf(req)).isPublic)
        throw new Fault('notFound', 'There is no access list for public flavors: every project may use them.')
      return accessList(req)
    },
  }),
  actions('/flavors/:flavor/action', {
    addTenantAccess: action({
      policy: 'os_compute_api:os-flavor-access:add_tenant_access',
      body: TenantAccess,
      async handle(req) {
        const { isPublic, flavorId } = await flavorOf(req)
        if (isPublic && req.version >= parseVersion('2.7'))
          throw new Fault('conflict', 'Projects cannot be given access to a public flavor: they have it.')
        await req.db.transaction((tx) => addAccess(tx, req.region, flavorId, req.body.tenant))
        return accessList(req)
      },
    }),
    removeTenantAccess: action({
      policy: 'os_compute_api:os-flavor-access:remove_tenant_access',
      body: TenantAccess,
      async handle(req) {
        const { flavorId } = await flavorOf(req)
        await req.db.transaction((tx) => removeAccess(tx, req.region, flavorId, req.body.tenant))
        return accessList(req)
      },
    }),
  }),
]
