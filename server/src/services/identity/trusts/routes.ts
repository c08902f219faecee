import type { Db } from '#lib/db.ts'
import { forbidden, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import type { Viewer } from '#lib/view.ts'
import { change } from '../change.ts'
import { ownAttributes } from '../fields.ts'
import { listLinks } from '../lists.ts'
import type { Role } from '../model.ts'
import { listRolesById } from '../roles/model.ts'
import { roleView } from '../roles/views.ts'
import { keystoneTime, readFutureTime } from '../time.ts'
import { createTrust } from './create.ts'
import { findUsableTrust, listTrusts, removeTrust, type Trust } from './model.ts'
import { CreateTrust } from './schema.ts'

const path = '/OS-TRUST/trusts'

function trustItem(row: Trust, roles: readonly Role[] | undefined, viewer: Viewer): Record<string, unknown> {
  const self = `${viewer.baseUrl}${path}/${row.id}`
  return {
    ...row.extra,
    id: row.id,
    trustor_user_id: row.trustorUserId,
    trustee_user_id: row.trusteeUserId,
    project_id: row.projectId,
    impersonation: row.impersonation,
    expires_at: row.expiresAt ? keystoneTime(row.expiresAt.getTime()) : null,
    remaining_uses: row.remainingUses,
    redelegation_count: row.redelegationCount,
    ...(row.redelegatedTrustId !== null && { redelegated_trust_id: row.redelegatedTrustId }),
    deleted_at: null,
    ...(roles && {
      roles: roles.map((role) => roleView.item(role, viewer)),
      roles_links: { self: `${self}/roles`, next: null, previous: null },
    }),
    links: { self },
  }
}
const shown = async (db: Db, row: Trust, viewer: Viewer) => ({
  trust: trustItem(row, await listRolesById(db, row.roleIds), viewer),
})

/** Throws forbidden: whoever signed in with an application credential has no say about trusts. */
function requirePerson({ actor }: Pick<Request, 'actor'>): void {
  if (actor.applicationCredentialId !== null || actor.restricted)
    forbidden('An application credential or a consumer cannot manage trusts.')
}
const about = (row: { trustorUserId?: string | undefined; trusteeUserId?: string | undefined }) => ({
  target: {
    trust: {
      ...(row.trustorUserId !== undefined && { trustor_user_id: row.trustorUserId }),
      ...(row.trusteeUserId !== undefined && { trustee_user_id: row.trusteeUserId }),
    },
  },
})

/** A route about one trust; one that is not there is a 404 for everyone, as Keystone has it. */
function onTrust(
  method: Method,
  below: string,
  policy: string,
  handle: (req: Request, row: Trust) => Promise<unknown>,
) {
  return route({
    method,
    path: `${path}/:id${below}`,
    policy,
    target: async ({ db, params }) => (await findUsableTrust(db, params['id']!)) ?? notFound('Trust', params['id']!),
    policyTarget: about,
    async handle(req, row) {
      requirePerson(req)
      return handle(req, row)
    },
  })
}

export const trustRoutes = [
  route({
    method: 'POST',
    path,
    policy: 'identity:create_trust',
    status: 201,
    body: CreateTrust,
    target: async ({ body }) => ({ trustorUserId: body.trust.trustor_user_id }),
    policyTarget: about,
    async handle(req) {
      requirePerson(req)
      const { db, body, view, actor } = req
      const {
        trustor_user_id: trustorUserId,
        trustee_user_id: trusteeUserId,
        impersonation,
        project_id: projectId,
        roles = [],
        expires_at: expiresAt,
        remaining_uses: remainingUses,
        allow_redelegation: redelegable,
        redelegation_count: redelegationCount,
        ...rest
      } = body.trust
      const row = await db.transaction((tx) =>
        createTrust(tx, {
          trustorUserId,
          trusteeUserId,
          impersonation,
          projectId: projectId ?? null,
          roles,
          expiresAt: expiresAt ? readFutureTime(expiresAt, 'expires_at') : null,
          remainingUses: remainingUses ?? null,
          redelegable: redelegable ?? false,
          redelegationCount: redelegationCount ?? undefined,
          extra: ownAttributes(rest),
          from: actor.trustId,
        }),
      )
      return shown(db, row, view)
    },
  }),
  route({
    method: 'GET',
    path,
    policy: 'authenticated',
    async handle(req) {
      const { db, query, view } = req
      const trustorUserId = one(query, 'trustor_user_id')
      const trusteeUserId = one(query, 'trustee_user_id')
      if (trustorUserId !== undefined) req.require('identity:list_trusts_for_trustor', about({ trustorUserId }))
      else if (trusteeUserId !== undefined) req.require('identity:list_trusts_for_trustee', about({ trusteeUserId }))
      else req.require('identity:list_trusts', {})
      requirePerson(req)
      const rows = await listTrusts(db, { trustorUserId, trusteeUserId })
      return { trusts: rows.map((row) => trustItem(row, undefined, view)), ...listLinks(req) }
    },
  }),
  onTrust('GET', '', 'identity:get_trust', ({ db, view }, row) => shown(db, row, view)),
  onTrust('DELETE', '', 'identity:delete_trust', async ({ db }, row) => {
    await change(db, (tx) => removeTrust(tx, row))
    return reply({ status: 204 })
  }),
  onTrust('GET', '/roles', 'identity:list_roles_for_trust', async (req, row) =>
    roleView.list(await listRolesById(req.db, row.roleIds), req),
  ),
  onTrust('GET', '/roles/:roleId', 'identity:get_role_for_trust', async ({ db, view, params }, row) => {
    const [found] = await listRolesById(
      db,
      row.roleIds.filter((id) => id === params['roleId']),
    )
    return roleView.show(found ?? notFound('Role', params['roleId']!), view)
  }),
]
