import { Type } from 'typebox'
import { invalid } from '#lib/fault.ts'
import { type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { view } from '#lib/view.ts'
import { listLinks, readIdentityPage } from '../../lists.ts'
import { routeOn } from '../../route-on.ts'
import { requireOwnId } from '../names.ts'
import { findMapping, insertMapping, listMappings, type MappingRow, removeMapping, updateMapping } from './model.ts'
import { parseMapping } from './rules.ts'

// what stands in the rules is looked at by parseMapping, which says where it is wrong
const Body = strict({
  mapping: strict({ rules: Type.Array(Type.Unknown()), schema_version: Type.Optional(Type.String()) }),
})
/** Keystone's default. */
const defaultVersion = '1.0'
const path = '/OS-FEDERATION/mappings'

const mappingView = view<MappingRow>(['mapping', 'mappings'], {
  id: (m) => m.id,
  rules: (m) => m.rules,
  schema_version: (m) => m.schemaVersion,
  links: (m, { baseUrl }) => ({ self: `${baseUrl}${path}/${encodeURIComponent(m.id)}` }),
})
const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findMapping(db, params['id']!)
const on = { path: `${path}/:id`, noun: 'Mapping', find, about: () => ({}) } as const

/** Throws invalid for rules that could not be followed. */
function contentOf({
  rules,
  schema_version: schemaVersion = defaultVersion,
}: {
  rules: unknown[]
  schema_version?: string
}) {
  const parsed = parseMapping(rules, schemaVersion)
  return typeof parsed === 'string' ? invalid(parsed) : { rules, schemaVersion }
}

export const mappingRoutes = [
  route({
    method: 'GET',
    path,
    policy: 'identity:list_mappings',
    async handle(req) {
      const { rows, more } = await listMappings(req.db, readIdentityPage(req.query))
      return mappingView.list(rows, req.view, listLinks(req, rows, more))
    },
  }),
  route({
    method: 'PUT',
    path: on.path,
    policy: 'identity:create_mapping',
    status: 201,
    body: Body,
    async handle({ db, body, view, params }) {
      const id = requireOwnId(params['id']!)
      const content = contentOf(body.mapping)
      return mappingView.show(await db.transaction((tx) => insertMapping(tx, id, content)), view)
    },
  }),
  routeOn({
    method: 'GET',
    policy: 'identity:get_mapping',
    ...on,
    handle: async ({ view }, row) => mappingView.show(row, view),
  }),
  routeOn({
    method: 'PATCH',
    policy: 'identity:update_mapping',
    body: Body,
    ...on,
    async handle({ db, body, view }, { id }) {
      const content = contentOf(body.mapping)
      return mappingView.show(await db.transaction((tx) => updateMapping(tx, id, content)), view)
    },
  }),
  routeOn({
    method: 'DELETE',
    policy: 'identity:delete_mapping',
    ...on,
    async handle({ db }, { id }) {
      await db.transaction((tx) => removeMapping(tx, id))
    },
  }),
]
