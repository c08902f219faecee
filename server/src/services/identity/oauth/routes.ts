// OS-OAUTH1: a consumer asks for a request token, a user authorizes it with some of their roles in a project, and the
// consumer exchanges it for an access token, by which it signs in (tokens/issue.ts).
import { Type } from 'typebox'
import { forbidden, notFound, unauthenticated } from '#lib/fault.ts'
import { reply, route } from '#lib/http/route.ts'
import { Id } from '../fields.ts'
import { findProject } from '../projects/model.ts'
import { findGlobalRole } from '../roles/model.ts'
import { keystoneTime } from '../time.ts'
import { rolesOf } from '../tokens/roles-of.ts'
import { authorizeRequestToken, exchangeRequestToken, findRequestToken, insertRequestToken } from './model.ts'
import { signedByConsumer, signedByRequestToken } from './verify.ts'

const Authorize = Type.Object({
  roles: Type.Array(Type.Union([Type.Object({ id: Id }), Type.Object({ name: Type.String({ maxLength: 255 }) })]), {
    minItems: 1,
  }),
})

const forms = 'application/x-www-form-urlencoded'
const formReply = ({ id, secret, expiresAt }: { id: string; secret: string; expiresAt: Date }) =>
  reply({
    status: 201,
    body: `oauth_token=${id}&oauth_token_secret=${secret}&oauth_expires_at=${keystoneTime(expiresAt.getTime())}`,
    headers: { 'content-type': forms },
  })

export const oauthRoutes = [
  route({
    method: 'POST',
    path: '/OS-OAUTH1/request_token',
    policy: 'public',
    accepts: [forms],
    async handle(req) {
      const consumer = await signedByConsumer(req)
      const asked = req.headers['requested-project-id']
      const projectId = typeof asked === 'string' ? asked : ''
      if (!(await findProject(req.db, projectId))) notFound('Project', projectId)
      return formReply(await req.db.transaction((tx) => insertRequestToken(tx, consumer.id, projectId)))
    },
  }),
  route({
    method: 'PUT',
    path: '/OS-OAUTH1/authorize/:id',
    policy: 'identity:authorize_request_token',
    body: Authorize,
    async handle({ db, params, body, actor }) {
      if (actor.trustId !== null || actor.applicationCredentialId !== null || actor.restricted)
        forbidden('A token that was delegated cannot be delegated to a consumer.')
      const id = params['id']!
      const token = (await findRequestToken(db, id)) ?? notFound('Request token', id)
      const held = new Set((await rolesOf(db, actor.userId, 'project', token.projectId)).map((role) => role.id))
      const roleIds: string[] = []
      for (const each of body.roles) {
        const roleId = 'id' in each ? each.id : (await findGlobalRole(db, each.name))?.id
        if (roleId === undefined || !held.has(roleId))
          return unauthenticated('Only roles that you have in the requested project can be authorized.')
        roleIds.push(roleId)
      }
      const verifier = await db.transaction((tx) => authorizeRequestToken(tx, id, actor.userId, roleIds))
      return { token: { oauth_verifier: verifier } }
    },
  }),
  route({
    method: 'POST',
    path: '/OS-OAUTH1/access_token',
    policy: 'public',
    accepts: [forms],
    async handle(req) {
      const token = await signedByRequestToken(req)
      return formReply((await req.db.transaction((tx) => exchangeRequestToken(tx, token))) ?? unauthenticated())
    },
  }),
]
