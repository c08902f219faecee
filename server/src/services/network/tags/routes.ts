import { Type } from 'typebox'
import { and, eq, type PgColumn, type PgTable, sql, type Tx } from '#lib/db.ts'
import { Fault, invalid } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import type { Asker } from '../at.ts'
import { floatingIp, network, port, router, securityGroup, subnet, subnetPool } from '../model.ts'
import { networksOf } from '../networks/model.ts'
import { portsFor } from '../ports/filters.ts'
import { askerOf } from '../rest/body.ts'
import { Tag } from '../rest/fields.ts'
import { groupsFor } from '../security-groups/model.ts'
import { poolsFor } from '../subnet-pools/model.ts'
import { subnetsFor } from '../subnets/model.ts'

interface Tagged {
  path: string
  noun: string
  table: PgTable & { id: PgColumn; region: PgColumn; projectId: PgColumn; tags: PgColumn; revision: PgColumn }
  seen: (projectId: string) => ReturnType<typeof networksOf>
}
const own = (column: PgColumn) => (projectId: string) => sql`${column} = ${projectId}`
const all: readonly Tagged[] = [
  { path: 'networks', noun: 'network', table: network, seen: (id) => networksOf(id, true) },
  { path: 'subnets', noun: 'subnet', table: subnet, seen: subnetsFor },
  { path: 'ports', noun: 'port', table: port, seen: portsFor },
  { path: 'routers', noun: 'router', table: router, seen: own(router.projectId) },
  { path: 'floatingips', noun: 'floatingip', table: floatingIp, seen: own(floatingIp.projectId) },
  { path: 'subnetpools', noun: 'subnetpool', table: subnetPool, seen: poolsFor },
  { path: 'security-groups', noun: 'security_group', table: securityGroup, seen: groupsFor },
]

interface Found {
  projectId: string
  tags: string[]
}

async function find(req: Request, { table, noun, seen }: Tagged, asker: Asker): Promise<Found> {
  const id = req.params['id']!
  const [found] = await req.db
    .select({ projectId: table.projectId, tags: table.tags })
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
  const read = { policy: `get_${kind.noun}`, target, policyTarget: policyTarget }
  const write = { policy: `update_${kind.noun}`, target, policyTarget: policyTarget }
  const path = `/${kind.path}/:id/tags`
  return [
    route({ method: 'GET', path, ...read, handle: async (_req, { tags }) => ({ tags }) }),
    route({
      method: 'PUT',
      path,
      ...write,
      body: Tags,
      handle: async (req) => ({ tags: await change(req, kind, () => req.body.tags) }),
    }),
    route({
      method: 'DELETE',
      path,
      ...write,
      async handle(req) {
        await change(req, kind, () => [])
        return reply({ status: 204 })
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:tag`,
      ...read,
      async handle(req, { tags }) {
        const tag = req.params['tag']!
        if (!tags.includes(tag)) lacks(req.params['id']!, tag)
        return reply({ status: 204 })
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/:tag`,
      ...write,
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
      ...write,
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

const policyTarget = ({ projectId }: Found) => ({
  project_id: projectId,
  tenant_id: projectId,
  'network:project_id': projectId,
})

export const tagRoutes = all.flatMap(routesOf)
