import { invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { findDomain } from '../domains/model.ts'
import { given, mergeExtra, mergeOptions, ownAttributes } from '../fields.ts'
import { readIdentityPage, readTextFilters } from '../lists.ts'
import type { Role } from '../model.ts'
import { findRole, getRole, insertRole, listRoles, removeRole, updateRole } from './model.ts'
import { aboutRole } from './policy.ts'
import { CreateRole, UpdateRole } from './schema.ts'
import { roleView } from './views.ts'

const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findRole(db, params['id']!)

/** Roles of a domain have rules of their own, so the role is looked for first. Throws notFound, then forbidden. */
function permitted(
  req: Pick<Request, 'require' | 'params'>,
  row: Role | undefined,
  verb: 'get' | 'update' | 'delete',
): Role {
  if (!row) return notFound('Role', req.params['id']!)
  req.require(`identity:${verb}_${row.domainId === null ? 'role' : 'domain_role'}`, aboutRole(row))
  return row
}

export const roleRoutes = [
  route({
    method: 'POST',
    path: '/roles',
    policy: 'authenticated',
    status: 201,
    body: CreateRole,
    async handle(req) {
      const { name, description = null, options = {}, domain_id: domainId = null, ...rest } = req.body.role
      req.require(domainId === null ? 'identity:create_role' : 'identity:create_domain_role')
      if (domainId !== null && !(await findDomain(req.db, domainId))) notFound('Domain', domainId)
      const spec = {
        name,
        domainId,
        description,
        options: mergeOptions({}, options),
        extra: ownAttributes(rest),
      }
      return roleView.show(await change(req.db, (tx) => insertRole(tx, spec)), req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/roles',
    policy: 'authenticated',
    async handle(req) {
      const domainId = one(req.query, 'domain_id') ?? null
      req.require(domainId === null ? 'identity:list_roles' : 'identity:list_domain_roles')
      const { rows, more } = await listRoles(
        req.db,
        { text: readTextFilters(req.query, ['name']), domainId },
        readIdentityPage(req.query),
      )
      return roleView.list(rows, req, more)
    },
  }),
  route({
    method: 'GET',
    path: '/roles/:id',
    policy: 'authenticated',
    handle: async (req) => roleView.show(permitted(req, await find(req), 'get'), req.view),
  }),
  route({
    method: 'PATCH',
    path: '/roles/:id',
    policy: 'authenticated',
    body: UpdateRole,
    async handle(req) {
      const { db, body, view } = req
      const { id, domainId } = permitted(req, await find(req), 'update')
      const { name, description, options, domain_id: asked, ...rest } = body.role
      if (asked !== undefined && asked !== domainId) invalid('A role cannot be moved to another domain.')
      const row = await change(db, async (tx) => {
        const before = await getRole(tx, id)
        const fields = given({
          name,
          description,
          options: options && mergeOptions(before.options, options),
          extra: Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined,
        })
        return updateRole(tx, before, fields, body.role)
      })
      return roleView.show(row, view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/roles/:id',
    policy: 'authenticated',
    async handle(req) {
      const { id } = permitted(req, await find(req), 'delete')
      await change(req.db, async (tx) => removeRole(tx, await getRole(tx, id)))
    },
  }),
]
