import type { Tx } from '#lib/db.ts'
import { one } from '#lib/http/page.ts'
import { type QueryValues, reply, type Request, route } from '#lib/http/route.ts'
import { nullable, strict } from '#lib/http/schema.ts'
import { Type } from 'typebox'
import { given, Id, requestOf } from '../fields.ts'
import { routeOn } from '../route-on.ts'
import { identityView } from '../shown.ts'
import {
  findLimit,
  findRegisteredLimit,
  insertLimit,
  insertRegisteredLimit,
  type Limit,
  listLimits,
  listRegisteredLimits,
  type RegisteredLimit,
  removeLimit,
  removeRegisteredLimit,
  type ResourceFilter,
  updateLimit,
  updateRegisteredLimit,
} from './model.ts'
import { requireTwoLevels } from './two-levels.ts'

const Amount = Type.Integer({ minimum: -1, maximum: 2_147_483_647 })
const resource = {
  service_id: Id,
  region_id: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
  resource_name: Type.String({ minLength: 1, maxLength: 255 }),
  description: Type.Optional(nullable(Type.String({ maxLength: 65_535 }))),
}
const CreateRegistered = Type.Object({
  registered_limits: Type.Array(strict({ ...resource, default_limit: Amount }), { minItems: 1 }),
})
const UpdateRegistered = requestOf(
  'registered_limit',
  {
    service_id: Type.Optional(Id),
    region_id: resource.region_id,
    resource_name: Type.Optional(resource.resource_name),
    description: resource.description,
    default_limit: Type.Optional(Amount),
  },
  { additionalProperties: false, minProperties: 1 },
)
const CreateLimits = Type.Object({
  limits: Type.Array(
    Type.Union([
      strict({ ...resource, resource_limit: Amount, project_id: Id }),
      strict({ ...resource, resource_limit: Amount, domain_id: Id }),
    ]),
    { minItems: 1 },
  ),
})
const UpdateLimit = requestOf(
  'limit',
  { resource_limit: Type.Optional(Amount), description: resource.description },
  { additionalProperties: false, minProperties: 1 },
)

const registeredView = identityView<RegisteredLimit>(['registered_limit', 'registered_limits'], '/registered_limits', {
  service_id: (l) => l.serviceId,
  region_id: (l) => l.regionId,
  resource_name: (l) => l.resourceName,
  default_limit: (l) => l.defaultLimit,
  description: (l) => l.description,
})
const limitView = identityView<Limit>(['limit', 'limits'], '/limits', {
  project_id: (l) => (l.isDomain ? null : l.projectId),
  domain_id: (l) => (l.isDomain ? l.projectId : null),
  service_id: (l) => l.serviceId,
  region_id: (l) => l.regionId,
  resource_name: (l) => l.resourceName,
  resource_limit: (l) => l.resourceLimit,
  description: (l) => l.description,
})

function readFilter(query: QueryValues): ResourceFilter {
  return {
    serviceId: one(query, 'service_id'),
    regionId: one(query, 'region_id'),
    resourceName: one(query, 'resource_name'),
  }
}
const onRegistered = {
  noun: 'Registered limit',
  find: ({ db, params }: Pick<Request, 'db' | 'params'>) => findRegisteredLimit(db, params['id']!),
  about: () => ({}),
}
const onLimit = {
  noun: 'Limit',
  find: ({ db, params }: Pick<Request, 'db' | 'params'>) => findLimit(db, params['id']!),
  about: (row: Limit | undefined) =>
    row
      ? {
          target: {
            limit: row.isDomain
              ? { domain: { id: row.projectId } }
              : { project_id: row.projectId, project: { domain_id: row.ofDomainId } },
          },
        }
      : {},
}

const models = {
  flat: 'Limits of a project do not depend on those of other projects.',
  strict_two_level: 'What a domain may have bounds each of its projects, and projects stand in domains only.',
}
/** Throws forbidden when the cloud's model of limits does not allow it. */
async function requireModel({ world }: Pick<Request, 'world'>, tx: Tx, asked: Parameters<typeof requireTwoLevels>[1]) {
  if (world.config.limitModel === 'strict_two_level') await requireTwoLevels(tx, asked)
}

export const limitRoutes = [
  route({
    method: 'POST',
    path: '/registered_limits',
    policy: 'identity:create_registered_limits',
    body: CreateRegistered,
    async handle({ db, body, view }) {
      const rows = await db.transaction(async (tx) => {
        const made: RegisteredLimit[] = []
        for (const asked of body.registered_limits)
          made.push(
            await insertRegisteredLimit(tx, {
              serviceId: asked.service_id,
              regionId: asked.region_id ?? null,
              resourceName: asked.resource_name,
              defaultLimit: asked.default_limit,
              description: asked.description ?? null,
            }),
          )
        return made
      })
      return reply({ status: 201, body: { registered_limits: rows.map((row) => registeredView.item(row, view)) } })
    },
  }),
  route({
    method: 'GET',
    path: '/registered_limits',
    policy: 'identity:list_registered_limits',
    handle: async (req) => registeredView.list(await listRegisteredLimits(req.db, readFilter(req.query)), req),
  }),
  routeOn({
    method: 'GET',
    path: '/registered_limits/:id',
    policy: 'identity:get_registered_limit',
    ...onRegistered,
    handle: async ({ view }, row) => registeredView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/registered_limits/:id',
    policy: 'identity:update_registered_limit',
    body: UpdateRegistered,
    ...onRegistered,
    async handle({ db, body, view }, row) {
      const asked = body.registered_limit
      const fields = given({
        serviceId: asked.service_id,
        regionId: asked.region_id,
        resourceName: asked.resource_name,
        defaultLimit: asked.default_limit,
        description: asked.description,
      })
      return registeredView.show(await db.transaction((tx) => updateRegisteredLimit(tx, row, fields)), view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/registered_limits/:id',
    policy: 'identity:delete_registered_limit',
    ...onRegistered,
    async handle({ db }, row) {
      await db.transaction((tx) => removeRegisteredLimit(tx, row))
    },
  }),
  route({
    method: 'GET',
    path: '/limits/model',
    policy: 'identity:get_limit_model',
    handle: async ({ world }) => ({
      model: { name: world.config.limitModel, description: models[world.config.limitModel] },
    }),
  }),
  route({
    method: 'POST',
    path: '/limits',
    policy: 'identity:create_limits',
    body: CreateLimits,
    async handle(req) {
      const { db, body, view } = req
      const rows = await db.transaction(async (tx) => {
        const made: Limit[] = []
        // domains first: what they may have bounds the projects that are asked for beside them
        for (const asked of body.limits.toSorted((a, b) => Number('domain_id' in b) - Number('domain_id' in a))) {
          const spec = {
            projectId: 'domain_id' in asked ? asked.domain_id : asked.project_id,
            serviceId: asked.service_id,
            regionId: asked.region_id ?? null,
            resourceName: asked.resource_name,
            resourceLimit: asked.resource_limit,
            description: asked.description ?? null,
          }
          made.push(await insertLimit(tx, spec))
          await requireModel(req, tx, spec)
        }
        return made
      })
      return reply({ status: 201, body: { limits: rows.map((row) => limitView.item(row, view)) } })
    },
  }),
  route({
    // those of others are for admins, services and whoever looks over the system
    method: 'GET',
    path: '/limits',
    policy: 'identity:list_limits',
    async handle(req) {
      const { db, query, actor, allows } = req
      const sees = actor.system || allows('admin_required') || actor.roles.includes('service')
      const asked = one(query, 'project_id') ?? one(query, 'domain_id')
      const rows = await listLimits(db, {
        ...readFilter(query),
        projectId: sees || actor.domainId !== null ? asked : (actor.projectId ?? ''),
        within: sees ? undefined : (actor.domainId ?? undefined),
      })
      return limitView.list(rows, req)
    },
  }),
  routeOn({
    method: 'GET',
    path: '/limits/:id',
    policy: 'identity:get_limit',
    ...onLimit,
    handle: async ({ view }, row) => limitView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    path: '/limits/:id',
    policy: 'identity:update_limit',
    body: UpdateLimit,
    ...onLimit,
    async handle(req, { id }) {
      const { db, body, view } = req
      const fields = given({ resourceLimit: body.limit.resource_limit, description: body.limit.description })
      const row = await db.transaction(async (tx) => {
        const changed = await updateLimit(tx, id, fields)
        if (fields.resourceLimit !== undefined) await requireModel(req, tx, changed)
        return changed
      })
      return limitView.show(row, view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/limits/:id',
    policy: 'identity:delete_limit',
    ...onLimit,
    async handle({ db }, { id }) {
      await db.transaction((tx) => removeLimit(tx, id))
    },
  }),
]
