import { type Static, Type } from 'typebox'
import { sql } from '#lib/db.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { requireQuota } from '#lib/quota.ts'
import { view } from '#lib/view.ts'
import { type SubnetPool, subnetPool } from '../model.ts'
import { aboutProject, aboutShareable, requireMembers } from '../policy.ts'
import { asked, askerOf, ownerOf, requireRevision } from '../rest/body.ts'
import { Bool, Description, Id, maybeTruth, Name, nullable, owner, ownerShown, standard } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { oneOrMany, only } from '../rest/schema.ts'
import { createPool, deletePool, type PoolSpec, removePrefixes, updatePool } from './change.ts'
import { getPool, poolsFor } from './model.ts'

const Length = Type.Union([Type.Integer({ minimum: 0, maximum: 128 }), Type.String({ pattern: '^\\d{1,3}$' })])
const Prefixes = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 1000 })
const common = {
  name: Type.Optional(Name),
  description: Type.Optional(Description),
  default_quota: Type.Optional(
    nullable(Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^\\d+$' })])),
  ),
  min_prefixlen: Type.Optional(Length),
  max_prefixlen: Type.Optional(Length),
  default_prefixlen: Type.Optional(Length),
  is_default: Type.Optional(Bool),
  address_scope_id: Type.Optional(nullable(Id)),
}
const PoolCreate = strict({ ...common, ...owner, name: Name, prefixes: Prefixes, shared: Type.Optional(Bool) })
type PoolCreate = Static<typeof PoolCreate>
const PoolUpdate = strict({ ...common, prefixes: Type.Optional(Prefixes) })
type PoolUpdate = Static<typeof PoolUpdate>

const poolView = view<SubnetPool>(['subnetpool', 'subnetpools'], {
  id: (p) => p.id,
  name: (p) => p.name,
  ...ownerShown,
  prefixes: (p) => p.prefixes,
  default_quota: (p) => p.defaultQuota,
  default_prefixlen: (p) => String(p.defaultPrefixLength),
  min_prefixlen: (p) => String(p.minPrefixLength),
  max_prefixlen: (p) => String(p.maxPrefixLength),
  address_scope_id: (p) => p.addressScopeId,
  is_default: (p) => p.isDefault,
  ip_version: (p) => p.ipVersion,
  shared: (p) => p.shared,
  ...standard,
})

const poolFilters: Filters = {
  ...standardFilters(subnetPool),
  ip_version: subnetPool.ipVersion,
  shared: subnetPool.shared,
  is_default: subnetPool.isDefault,
  address_scope_id: subnetPool.addressScopeId,
  default_prefixlen: subnetPool.defaultPrefixLength,
  min_prefixlen: subnetPool.minPrefixLength,
  max_prefixlen: subnetPool.maxPrefixLength,
  default_quota: subnetPool.defaultQuota,
}

const target = (req: Request) => getPool(req.db, req.region, req.params['id']!, askerOf(req))
const number = (value: number | string | undefined) => (value === undefined ? undefined : Number(value))

function specOf(body: Partial<PoolCreate> & PoolUpdate): PoolSpec {
  return {
    name: body.name,
    description: body.description,
    prefixes: body.prefixes,
    min: number(body.min_prefixlen),
    max: number(body.max_prefixlen),
    default: number(body.default_prefixlen),
    quota: body.default_quota === null ? null : number(body.default_quota),
    shared: maybeTruth(body.shared),
    isDefault: maybeTruth(body.is_default),
    scopeId: body.address_scope_id,
  }
}

const PrefixOperation = strict({
  prefixes: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 1000 }),
})

export const subnetPoolRoutes = [
  route({
    method: 'GET',
    path: '/subnetpools',
    policy: 'get_subnetpool',
    async handle(req) {
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${subnetPool.region} = ${req.region} and ${isAdmin ? sql`true` : poolsFor(projectId)}`
      const { rows, links } = await listRows(req, subnetPool, poolFilters, where)
      return {
        subnetpools: rows.map((row) => pick(req.query, poolView.item(row, req.view))),
        ...(links && { subnetpools_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/subnetpools',
    policy: 'create_subnetpool',
    body: oneOrMany('subnetpool', 'subnetpools', PoolCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<PoolCreate>(req.body, 'subnetpool', 'subnetpools')
      const specs = items.map((item) => {
        const projectId = ownerOf(req, item)
        requireMembers(req, 'create_subnetpool', item, aboutProject(projectId))
        return { ...specOf(item), projectId }
      })
      const rows = await req.db.transaction(async (tx) => {
        for (const [projectId, all] of Map.groupBy(specs, (each) => each.projectId))
          await requireQuota(tx, { service: 'network', region: req.region, projectId }, { subnetpool: all.length })
        const made: SubnetPool[] = []
        for (const spec of specs) made.push(await createPool(tx, req, spec, askerOf(req)))
        return made
      })
      return bulk ? poolView.list(rows, req.view) : poolView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/subnetpools/:id',
    policy: 'get_subnetpool',
    target,
    policyTarget: aboutShareable,
    handle: async (req, found) => ({ subnetpool: pick(req.query, poolView.item(found, req.view)) }),
  }),
  route({
    method: 'PUT',
    path: '/subnetpools/:id',
    policy: 'update_subnetpool',
    body: only('subnetpool', PoolUpdate),
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      const body = req.body.subnetpool
      requireMembers(req, 'update_subnetpool', body, aboutShareable(found, req))
      requireRevision(req, found)
      const after = await req.db.transaction((tx) => updatePool(tx, req, found.id, specOf(body), askerOf(req)))
      return poolView.show(after, req.view)
    },
  }),
  route({
    method: 'PUT',
    path: '/subnetpools/:id/add_prefixes',
    policy: 'add_prefixes',
    body: PrefixOperation,
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      const prefixes = [...found.prefixes, ...req.body.prefixes]
      const after = await req.db.transaction((tx) => updatePool(tx, req, found.id, { prefixes }, askerOf(req)))
      return { prefixes: after.prefixes }
    },
  }),
  route({
    method: 'PUT',
    path: '/subnetpools/:id/remove_prefixes',
    policy: 'remove_prefixes',
    body: PrefixOperation,
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      const after = await req.db.transaction((tx) => removePrefixes(tx, req, found.id, req.body.prefixes))
      return { prefixes: after.prefixes }
    },
  }),
  route({
    method: 'DELETE',
    path: '/subnetpools/:id',
    policy: 'delete_subnetpool',
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      requireRevision(req, found)
      await req.db.transaction((tx) => deletePool(tx, req, found.id))
      return reply({ status: 204 })
    },
  }),
]
