import { Type } from 'typebox'
import { and, eq, type PgColumn, type PgTable, sql, type Tx } from '#lib/db.ts'
import { Fault, invalid } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import type { Asker } from '../at.ts'
import { floatingIp, network, port, router, securityGroup, subnet, subnetPool } from '../model.ts'
import { networksOf } from '../networks/model.ts'
import { aboutNetwork, aboutProject } from '../policy.ts'
import { portsFor } from '../ports/filters.ts'
import { granted } from '../rbac/model.ts'
import { askerOf } from '../rest/body.ts'
import { Tag } from '../rest/fields.ts'
import { groupsFor } from '../security-groups/model.ts'
import { poolsFor } from '../subnet-pools/model.ts'
import { subnetsFor } from '../subnets/model.ts'

interface Tagged {
  path: string
  noun: string
  table: PgTable & { id: PgColumn; region: PgColumn; projectId: PgColumn; tags: PgColumn; revision: PgColumn }
  /** The column with the network that it is of. */
  networkId?: PgColumn
  seen: (projectId: string) => ReturnType<typeof networksOf>
}
const own = (column: PgColumn) => (projectId: string) => sql`${column} = ${projectId}`
const all: readonly Tagged[] = [
  { path: 'networks', noun: 'network', table: network, networkId: network.id, seen: (id) => networksOf(id, true) },
  { path: 'subnets', noun: 'subnet', table: subnet, networkId: subnet.networkId, seen: subnetsFor },
  { path: 'ports', noun: 'port', table: port, networkId: port.networkId, seen: portsFor },
  { path: 'routers', noun: 'router', table: router, seen: own(router.projectId) },
  { path: 'floatingips', noun: 'floatingip', table: floatingIp, seen: own(floatingIp.projectId) },
  { path: 'subnetpools', noun: 'subnetpool', table: subnetPool, seen: poolsFor },
  { path: 'security-groups', noun: 'security_group', table: securityGroup, seen: groupsFor },
]

interface Found {
  projectId: string
  tags: string[]
  /** The network that it is of, and whether that or the thing itself is shared with the project that asks. */
  network: { projectId: string; external: boolean } | null
  shared: boolean
}

// a column in what is selected stands there without its table, and would be taken for one of the inner query
const full = (table: PgTable, column: PgColumn) => sql`${table}.${sql.identifier(column.name)}`

async function find(req: Request, kind: Tagged, asker: Asker): Promise<Found> {
  const { table, noun, seen, networkId } = kind
  const id = req.params['id']!
  const on = sql`(select json_build_object('projectId', n.project_id, 'external', n.external) from network n
    where n.id = ${full(table, networkId ?? table.id)})`
  const [found] = await req.db
    .select({
      projectId: table.projectId,
      tags: table.tags,
      network: networkId ? on : sql`null`,
      shared: granted(full(table, networkId ?? table.id), asker.projectId),
    })
    .from(table)
    .where(and(eq(table.region, req.region), eq(table.id, id), asker.isAdmin ? undefined : seen(asker.projectId)))
  if (!found) throw new Fault('notFound', `Resource ${noun} ${id} could not be found.`, { code: 'TagResourceNotFound' })
  return found as Found
}

const lacks = (id: string, tag: string): never => {
  throw new Fault('notFound', `Tag ${tag} could not be found on ${id}.`, { code: 'TagNotFound' })
}

/** `change` is applied to the tags as they are when the row is held, so that two changes at once both count. */
async function change(req: Request, { table }: Tagged, edit: (tags: string[]) => string[]): Promise<string[]> {
  const id = req.params['id']!
  return req.db.transaction(async (tx: Tx) => {
    const [row] = await tx.select({ tags: table.tags }).from(table).where(eq(table.id, id)).for('no key update')
    const tags = edit((row?.tags ?? []) as string[])
    if (tags.length > 50) invalid('A resource can have at most 50 tags.', { code: 'InvalidInput' })
    await tx
      .update(table)
      .set({ tags, revision: sql`${table.revision} + 1`, updatedAt: sql`now()` })
      .where(eq(table.id, id))
    return tags
  })
}

const Tags = strict({ tags: Type.Array(Tag, { maxItems: 1000, uniqueItems: true }) })

function routesOf(kind: Tagged) {
  const target = (req: Request) => find(req, kind, askerOf(req))
  const guarded = (verb: 'get' | 'update' | 'delete') => ({
    policy: `${verb}_${kind.noun}:tags`,
    target,
    policyTarget,
  })
  const path = `/${kind.path}/:id/tags`
  return [
    route({ method: 'GET', path, ...guarded('get'), handle: async (_req, { tags }) => ({ tags }) }),
    route({
      method: 'PUT',
      path,
      ...guarded('update'),
      body: Tags,
      handle: async (req) => ({ tags: await change(req, kind, () => req.body.tags) }),
    }),
    route({
      method: 'DELETE',
      path,
      ...guarded('delete'),
      async handle(req) {
        await change(req, kind, () => [])
        return reply({ status: 204 })
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:tag`,
      ...guarded('get'),
      async handle(req, { tags }) {
        const tag = req.params['tag']!
        if (!tags.includes(tag)) lacks(req.params['id']!, tag)
        return reply({ status: 204 })
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/:tag`,
      ...guarded('update'),
      async handle(req) {
        const tag = req.params['tag']!
        if (tag.length > 255) invalid('A tag has at most 255 characters.', { code: 'InvalidInput' })
        await change(req, kind, (tags) => (tags.includes(tag) ? tags : [...tags, tag]))
        return reply({ status: 201 })
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:tag`,
      ...guarded('delete'),
      async handle(req) {
        const tag = req.params['tag']!
        await change(req, kind, (tags) =>
          tags.includes(tag) ? tags.filter((each) => each !== tag) : lacks(req.params['id']!, tag),
        )
        return reply({ status: 204 })
      },
    }),
  ]
}

const policyTarget = ({ projectId, network: on, shared }: Found) => ({
  ...aboutProject(projectId),
  shared,
  ...(on && { 'router:external': on.external, ...aboutNetwork(on, shared) }),
})

export const tagRoutes = all.flatMap(routesOf)
