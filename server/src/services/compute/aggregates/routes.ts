import { Type } from 'typebox'
import type { Tx } from '#lib/db.ts'
import { conflict, Fault, invalid, notFound } from '#lib/fault.ts'
import { action, actions, reply, type Request, route } from '#lib/http/route.ts'
import { Name, nullable, strict } from '#lib/http/schema.ts'
import { view } from '#lib/view.ts'
import { setHostAggregates } from '#placement'
import { findHost } from '../hosts/model.ts'
import { idsOnHost } from '../servers/model.ts'
import { bareTime, bareTimeOrNull, keyPattern } from '../wire.ts'
import {
  type Aggregate,
  changeAggregate,
  deleteAggregate,
  getAggregate,
  insertAggregate,
  listAggregates,
  zoneOf,
  zonesByHost,
} from './model.ts'

const ZoneName = Type.String({ minLength: 1, maxLength: 255, pattern: '^(?! )[^:\\u0000-\\u001f]*(?<! )$' })
const CreateAggregate = strict({
  aggregate: strict({ name: Name, availability_zone: Type.Optional(nullable(ZoneName)) }),
})
const UpdateAggregate = strict({
  aggregate: Type.Object(
    { name: Type.Optional(Name), availability_zone: Type.Optional(nullable(ZoneName)) },
    { additionalProperties: false, minProperties: 1 },
  ),
})
const SetMetadata = strict({
  metadata: Type.Record(Type.String({ pattern: keyPattern }), nullable(Type.String({ maxLength: 255 })), {
    additionalProperties: false,
  }),
})
const HostName = strict({ host: Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' }) })

const brief = {
  id: (a: Aggregate) => a.id,
  name: (a: Aggregate) => a.name,
  availability_zone: (a: Aggregate) => zoneOf(a) ?? null,
  created_at: (a: Aggregate) => bareTime(a.createdAt),
  updated_at: (a: Aggregate) => bareTimeOrNull(a.updatedAt),
  deleted: () => false,
  deleted_at: () => null,
  uuid: { since: '2.41', get: (a: Aggregate) => a.uuid },
}
const createdView = view<Aggregate>(['aggregate', 'aggregates'], brief)
const aggregateView = view<Aggregate>(['aggregate', 'aggregates'], {
  ...brief,
  hosts: (a) => a.hosts,
  metadata: (a) => a.metadata,
})

const wanted = ({ db, region, params }: Pick<Request, 'db' | 'region' | 'params'>) =>
  getAggregate(db, region, params['aggregate'] ?? '')

/** A host may be in one zone only, and none may change under servers that run there. Throws conflict. */
async function requireZoneFree(tx: Tx, region: string, id: number, zone: string | undefined, hosts: readonly string[]) {
  const others = zonesByHost((await listAggregates(tx, region)).filter((each) => each.id !== id))
  for (const host of hosts) {
    const other = others.get(host)
    if (zone !== undefined && other !== undefined && other !== zone)
      conflict(`Host ${host} is in the availability zone ${other} already: a host is in one zone only.`)
  }
}
async function requireNoServers(tx: Tx, region: string, hosts: readonly string[], doing: string) {
  for (const host of hosts)
    if ((await idsOnHost(tx, region, host)).length > 0)
      throw new Fault('invalid', `Cannot ${doing}: host ${host} has servers, whose availability zone would change.`)
}

/** Writes the metadata, of which null values go. */
async function setMetadata(tx: Tx, row: Aggregate, changes: Record<string, string | null>, name?: string) {
  const metadata = { ...row.metadata }
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete metadata[key]
    else metadata[key] = value
  }
  const zone = metadata['availability_zone']
  if (zone !== zoneOf(row)) {
    await requireZoneFree(tx, row.region, row.id, zone, row.hosts)
    await requireNoServers(tx, row.region, row.hosts, `change the zone of aggregate ${row.name}`)
  }
  return changeAggregate(tx, row.id, { metadata, ...(name !== undefined && { name }) })
}

/** Tells placement in which aggregates a host is. */
async function tellPlacement(tx: Tx, region: string, host: string) {
  const all = await listAggregates(tx, region)
  const ids = all.filter((each) => each.hosts.includes(host)).map((each) => each.uuid)
  await setHostAggregates(tx, region, host, ids)
}

export const aggregateRoutes = [
  route({
    method: 'GET',
    path: '/os-aggregates',
    policy: 'os_compute_api:os-aggregates:index',
    handle: async ({ db, region, view: viewer }) => aggregateView.list(await listAggregates(db, region), viewer),
  }),
  route({
    method: 'POST',
    path: '/os-aggregates',
    policy: 'os_compute_api:os-aggregates:create',
    body: CreateAggregate,
    async handle({ db, body, region, view: viewer }) {
      const { name, availability_zone: zone = null } = body.aggregate
      return createdView.show(
        await db.transaction((tx) => insertAggregate(tx, { region, name: name.trim(), zone })),
        viewer,
      )
    },
  }),
  route({
    method: 'GET',
    path: '/os-aggregates/:aggregate',
    policy: 'os_compute_api:os-aggregates:show',
    handle: async (req) => aggregateView.show(await wanted(req), req.view),
  }),
  route({
    method: 'PUT',
    path: '/os-aggregates/:aggregate',
    policy: 'os_compute_api:os-aggregates:update',
    body: UpdateAggregate,
    async handle(req) {
      const row = await wanted(req)
      const { name, availability_zone: zone } = req.body.aggregate
      const changes = zone === undefined ? {} : { availability_zone: zone }
      const changed = await req.db.transaction((tx) => setMetadata(tx, row, changes, name?.trim()))
      return aggregateView.show(changed, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-aggregates/:aggregate',
    policy: 'os_compute_api:os-aggregates:delete',
    async handle(req) {
      const row = await wanted(req)
      if (row.hosts.length > 0) invalid(`Cannot remove aggregate ${row.id}: it has hosts; remove them first.`)
      await req.db.transaction((tx) => deleteAggregate(tx, row.id))
      return reply({ status: 200 })
    },
  }),
  actions('/os-aggregates/:aggregate/action', {
    add_host: action({
      policy: 'os_compute_api:os-aggregates:add_host',
      body: HostName,
      async handle(req) {
        const { host } = req.body
        const row = await wanted(req)
        if (!(await findHost(req.db, req.region, host))) notFound('Compute host', host)
        if (row.hosts.includes(host)) conflict(`Aggregate ${row.id} already has host ${host}.`)
        const changed = await req.db.transaction(async (tx) => {
          await requireZoneFree(tx, req.region, row.id, zoneOf(row), [host])
          const joinsZone = zoneOf(row) !== undefined && !zonesByHost(await listAggregates(tx, req.region)).has(host)
          if (joinsZone) await requireNoServersConflict(tx, req.region, host)
          const next = await changeAggregate(tx, row.id, { hosts: [...row.hosts, host] })
          await tellPlacement(tx, req.region, host)
          return next
        })
        return aggregateView.show(changed, req.view)
      },
    }),
    remove_host: action({
      policy: 'os_compute_api:os-aggregates:remove_host',
      body: HostName,
      async handle(req) {
        const { host } = req.body
        const row = await wanted(req)
        if (!row.hosts.includes(host)) notFound(`Host in aggregate ${row.id}`, host)
        const changed = await req.db.transaction(async (tx) => {
          if (zoneOf(row) !== undefined) await requireNoServersConflict(tx, req.region, host)
          const next = await changeAggregate(tx, row.id, { hosts: row.hosts.filter((each) => each !== host) })
          await tellPlacement(tx, req.region, host)
          return next
        })
        return aggregateView.show(changed, req.view)
      },
    }),
    set_metadata: action({
      policy: 'os_compute_api:os-aggregates:set_metadata',
      body: SetMetadata,
      async handle(req) {
        const row = await wanted(req)
        const changed = await req.db.transaction((tx) => setMetadata(tx, row, req.body.metadata))
        return aggregateView.show(changed, req.view)
      },
    }),
  }),
  route({
    method: 'POST',
    path: '/os-aggregates/:aggregate/images',
    since: '2.81',
    policy: 'compute:aggregates:images',
    async handle(req) {
      await wanted(req)
      invalid('Hosts fetch images when they need them: fetching ahead is not possible in this cloud.')
    },
  }),
]

async function requireNoServersConflict(tx: Tx, region: string, host: string) {
  if ((await idsOnHost(tx, region, host)).length > 0)
    conflict(`Host ${host} has servers, whose availability zone would change.`)
}
