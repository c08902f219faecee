// The access tokens that a user has authorized.
import { forbidden, notFound } from '#lib/fault.ts'
import { type Method, type Request, route } from '#lib/http/route.ts'
import type { Viewer } from '#lib/view.ts'
import { change } from '../change.ts'
import { listLinks } from '../lists.ts'
import { listRolesById } from '../roles/model.ts'
import { roleView } from '../roles/views.ts'
import { keystoneTime } from '../time.ts'
import { type AccessToken, findAccessToken, listAccessTokens, removeAccessToken } from './model.ts'

const path = '/users/:userId/OS-OAUTH1/access_tokens'

function shown(row: AccessToken, { baseUrl }: Viewer) {
  const self = `${baseUrl}/users/${row.userId}/OS-OAUTH1/access_tokens/${row.id}`
  return {
    id: row.id,
    consumer_id: row.consumerId,
    project_id: row.projectId,
    authorizing_user_id: row.userId,
    expires_at: row.expiresAt ? keystoneTime(row.expiresAt.getTime()) : null,
    links: { self, roles: `${self}/roles` },
  }
}

/** A route about one of them; it must be of the user in the path. */
function onToken(
  method: Method,
  below: string,
  policy: string,
  handle: (req: Request, row: AccessToken) => Promise<unknown>,
) {
  return route({
    method,
    path: `${path}/:id${below}`,
    policy,
    async handle(req) {
      const { id = '', userId } = req.params
      const row = await findAccessToken(req.db, id)
      return handle(req, row && row.userId === userId ? row : notFound('Access token', id))
    },
  })
}

export const oauthTokenRoutes = [
  route({
    method: 'GET',
    path,
    policy: 'identity:list_access_tokens',
    async handle(req) {
      if (req.actor.restricted) forbidden('A token that was delegated cannot see the access tokens of its user.')
      const rows = await listAccessTokens(req.db, req.params['userId']!)
      return { access_tokens: rows.map((row) => shown(row, req.view)), ...listLinks(req) }
    },
  }),
  onToken('GET', '', 'identity:get_access_token', async ({ view }, row) => ({ access_token: shown(row, view) })),
  onToken('DELETE', '', 'identity:delete_access_token', async ({ db }, { id }) => {
    await change(db, (tx) => removeAccessToken(tx, id))
  }),
  onToken('GET', '/roles', 'identity:list_access_token_roles', async (req, { roleIds }) =>
    roleView.list(await listRolesById(req.db, roleIds), req),
  ),
  onToken('GET', '/roles/:roleId', 'identity:get_access_token_role', async ({ db, view, params }, { roleIds }) => {
    const roleId = params['roleId']!
    const [found] = roleIds.includes(roleId) ? await listRolesById(db, [roleId]) : []
    return roleView.show(found ?? notFound('Role', roleId), view)
  }),
]
