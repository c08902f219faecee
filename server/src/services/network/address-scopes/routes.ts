import { type Static, Type } from 'typebox'
import { eq, sql } from '#lib/db.ts'
import { conflict, invalid } from '#lib/fault.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { newId } from '#lib/id.ts'
import { view } from '#lib/view.ts'
import { addressScope, type AddressScope, subnetPool } from '../model.ts'
import { aboutProject, aboutShareable, requireMembers } from '../policy.ts'
import { grantToAll, removeGrants } from '../rbac/model.ts'
import { asked, askerOf, ownerOf } from '../rest/body.ts'
import { Bool, maybeTruth, Name, owner, ownerShown, truth } from '../rest/fields.ts'
import { type Filters, pick, standardFilters } from '../rest/filters.ts'
import { listRows } from '../rest/list.ts'
import { oneOrMany, only } from '../rest/schema.ts'
import { getScope, scopesFor } from '../subnet-pools/model.ts'

const ScopeCreate = strict({
  ...owner,
  name: Type.Optional(Name),
  ip_version: Type.Union([Type.Literal(4), Type.Literal(6), Type.Literal('4'), Type.Literal('6')]),
  shared: Type.Optional(Bool),
})
type ScopeCreate = Static<typeof ScopeCreate>

const scopeView = view<AddressScope>(['address_scope', 'address_scopes'], {
  id: (s) => s.id,
  name: (s) => s.name,
  ...ownerShown,
  ip_version: (s) => s.ipVersion,
  shared: (s) => s.shared,
})
const scopeFilters: Filters = {
  ...standardFilters(addressScope),
  ip_version: addressScope.ipVersion,
  shared: addressScope.shared,
}
const target = (req: Request) => getScope(req.db, req.region, req.params['id']!, askerOf(req))

export const addressScopeRoutes = [
  route({
    method: 'GET',
    path: '/address-scopes',
    policy: 'get_address_scope',
    async handle(req) {
      const { projectId, isAdmin } = askerOf(req)
      const where = sql`${addressScope.region} = ${req.region} and ${isAdmin ? sql`true` : scopesFor(projectId)}`
      const { rows, links } = await listRows(req, addressScope, scopeFilters, where)
      return {
        address_scopes: rows.map((row) => pick(req.query, scopeView.item(row, req.view))),
        ...(links && { address_scopes_links: links }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/address-scopes',
    policy: 'create_address_scope',
    body: oneOrMany('address_scope', 'address_scopes', ScopeCreate),
    status: 201,
    async handle(req) {
      const { items, bulk } = asked<ScopeCreate>(req.body, 'address_scope', 'address_scopes')
      const specs = items.map((item) => {
        const projectId = ownerOf(req, item)
        requireMembers(req, 'create_address_scope', item, aboutProject(projectId))
        return {
          id: newId(),
          region: req.region,
          projectId,
          name: item.name ?? '',
          ipVersion: Number(item.ip_version),
          shared: maybeTruth(item.shared) ?? false,
        }
      })
      const rows = await req.db.transaction(async (tx) => {
        const made = await tx.insert(addressScope).values(specs).returning()
        for (const each of made) if (each.shared) await grantToAll(tx, each, 'access_as_shared', 'address_scope')
        return made
      })
      return bulk ? scopeView.list(rows, req.view) : scopeView.show(rows[0]!, req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/address-scopes/:id',
    policy: 'get_address_scope',
    target,
    policyTarget: aboutShareable,
    handle: async (req, found) => ({ address_scope: pick(req.query, scopeView.item(found, req.view)) }),
  }),
  route({
    method: 'PUT',
    path: '/address-scopes/:id',
    policy: 'update_address_scope',
    body: only('address_scope', strict({ name: Type.Optional(Name), shared: Type.Optional(Bool) })),
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      const { name, shared } = req.body.address_scope
      requireMembers(req, 'update_address_scope', { shared }, aboutShareable(found, req))
      if (shared !== undefined && !truth(shared) && found.shared)
        invalid(`Unable to update address scope ${found.id}: Shared address scope can't be unshared.`, {
          code: 'AddressScopeUpdateError',
        })
      const after = await req.db.transaction(async (tx) => {
        if (shared !== undefined && truth(shared)) await grantToAll(tx, found, 'access_as_shared', 'address_scope')
        const [row] = await tx
          .update(addressScope)
          .set({
            ...(name !== undefined && { name }),
            ...(shared !== undefined && { shared: truth(shared) }),
            revision: sql`${addressScope.revision} + 1`,
            updatedAt: sql`now()`,
          })
          .where(eq(addressScope.id, found.id))
          .returning()
        return row ?? found
      })
      return scopeView.show(after, req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/address-scopes/:id',
    policy: 'delete_address_scope',
    target,
    policyTarget: aboutShareable,
    async handle(req, found) {
      await req.db.transaction(async (tx) => {
        await tx.rows(sql`select 1 from address_scope where id = ${found.id} for update`)
        const [user] = await tx
          .select({ id: subnetPool.id })
          .from(subnetPool)
          .where(eq(subnetPool.addressScopeId, found.id))
          .limit(1)
        if (user)
          conflict(
            `Unable to complete operation on address scope ${found.id}. There are one or more subnet pools in use on the address scope.`,
            {
              code: 'AddressScopeInUse',
            },
          )
        await removeGrants(tx, found.id)
        await tx.delete(addressScope).where(eq(addressScope.id, found.id))
      })
      return reply({ status: 204 })
    },
  }),
]
