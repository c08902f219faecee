import type { Actor } from '#lib/actor.ts'
import { forbidden, invalid, notFound } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { nullable } from '#lib/http/schema.ts'
import { Type } from 'typebox'
import { requireManaging } from '../application-credentials/managing.ts'
import { given, Id, mergeExtra, ownAttributes, requestOf } from '../fields.ts'
import { routeOn } from '../route-on.ts'
import { identityView } from '../shown.ts'
import { change } from '../change.ts'
import { findUser } from '../users/model.ts'
import {
  type Credential,
  findCredential,
  idOfAccess,
  insertCredential,
  listCredentials,
  removeCredential,
  updateCredential,
} from './model.ts'
import { aboutCredential } from './policy.ts'

const fields = {
  blob: Type.String({ maxLength: 65_535 }),
  type: Type.String({ minLength: 1, maxLength: 255 }),
  user_id: Id,
}
const CreateCredential = requestOf('credential', {
  ...fields,
  user_id: Type.Optional(Id),
  project_id: Type.Optional(nullable(Id)),
})
const UpdateCredential = requestOf(
  'credential',
  {
    blob: Type.Optional(fields.blob),
    type: Type.Optional(fields.type),
    user_id: Type.Optional(Id),
    project_id: Type.Optional(nullable(Id)),
  },
  { minProperties: 1 },
)

const credentialView = identityView<Credential>(['credential', 'credentials'], '/credentials', {
  type: (c) => c.type,
  blob: (c) => c.blob,
  user_id: (c) => c.userId,
  project_id: (c) => c.projectId,
})

/** A delegated token acts in its project and on nothing else of its user. */
export function requireReach(actor: Actor, projectId: string | null): void {
  if ((actor.trustId ?? actor.applicationCredentialId) !== null && projectId !== actor.projectId)
    forbidden('A delegated token cannot manage credentials of another project than its own.')
}

/** The access key inside an EC2 credential's blob. Throws invalid. */
function accessOf(blob: string): string {
  let value: unknown
  try {
    value = JSON.parse(blob)
  } catch (error) {
    invalid('The blob of an ec2 credential must be a JSON object.', { cause: error })
  }
  const access = (value as { access?: unknown } | null)?.access
  return typeof access === 'string' && access !== ''
    ? access
    : invalid('The blob of an ec2 credential must have an access key.')
}

/** A key made with a delegated token says so, and gives no more than that token. */
function bound(actor: Actor, type: string, blob: string): string {
  if (type !== 'ec2' || (actor.trustId ?? actor.applicationCredentialId) === null) return blob
  const value = JSON.parse(blob) as Record<string, unknown>
  return JSON.stringify({ ...value, trust_id: actor.trustId, app_cred_id: actor.applicationCredentialId })
}

const find = ({ db, params }: Pick<Request, 'db' | 'params'>) => findCredential(db, params['id']!)
const on = { noun: 'Credential', find, about: aboutCredential } as const

export const credentialRoutes = [
  route({
    method: 'POST',
    path: '/credentials',
    policy: 'identity:create_credential',
    status: 201,
    body: CreateCredential,
    target: async ({ body, actor }) => body.credential.user_id ?? actor.userId,
    policyTarget: (userId) => aboutCredential({ userId }),
    async handle({ db, body, view, actor }, userId) {
      const { blob, type, project_id: projectId = null, user_id: _user, ...rest } = body.credential
      if (type === 'ec2' && !projectId) invalid('An ec2 credential needs a project_id.')
      if (!(await findUser(db, userId))) notFound('User', userId)
      requireReach(actor, projectId)
      requireManaging({ actor })
      const id = type === 'ec2' ? idOfAccess(accessOf(blob)) : undefined
      const spec = { userId, projectId, type, blob: bound(actor, type, blob), extra: ownAttributes(rest) }
      return credentialView.show(await db.transaction((tx) => insertCredential(tx, spec, id)), view)
    },
  }),
  route({
    // everyone may ask; each one is shown what the rule lets them see
    method: 'GET',
    path: '/credentials',
    policy: 'authenticated',
    async handle(req) {
      const { db, query, actor, allows } = req
      const all = allows('identity:list_credentials', {})
      if (!all) req.require('identity:list_credentials', aboutCredential({ userId: actor.userId }))
      const asked = one(query, 'user_id')
      const userId = all ? asked : actor.userId
      if (!all && asked !== undefined && asked !== actor.userId) return credentialView.list([], req)
      const rows = await listCredentials(db, { userId, type: one(query, 'type') })
      const delegated = (actor.trustId ?? actor.applicationCredentialId) !== null
      return credentialView.list(
        rows.filter(
          (row) =>
            allows('identity:get_credential', aboutCredential(row)) &&
            (!delegated || row.projectId === actor.projectId),
        ),
        req,
      )
    },
  }),
  routeOn({
    method: 'GET',
    path: '/credentials/:id',
    policy: 'identity:get_credential',
    ...on,
    async handle({ view, actor }, row) {
      requireReach(actor, row.projectId)
      return credentialView.show(row, view)
    },
  }),
  routeOn({
    method: 'PATCH',
    path: '/credentials/:id',
    policy: 'identity:update_credential',
    body: UpdateCredential,
    ...on,
    async handle(req, before) {
      const { blob, type, user_id: userId, project_id: projectId, ...rest } = req.body.credential
      requireReach(req.actor, before.projectId)
      requireManaging(req)
      if (req.actor.trustId !== null) forbidden('A token of a trust cannot change credentials.')
      if (projectId !== undefined) requireReach(req.actor, projectId)
      // who may not make one for that user may not give one to them either
      if (userId !== undefined) req.require('identity:update_credential', aboutCredential({ userId }))
      const nextType = type ?? before.type
      const nextProject = projectId === undefined ? before.projectId : projectId
      if (nextType === 'ec2' && !nextProject) invalid('An ec2 credential needs a project_id.')
      if (nextType === 'ec2' && idOfAccess(accessOf(blob ?? before.blob)) !== before.id)
        invalid('The access key of an ec2 credential cannot be changed.')
      const extra = Object.keys(rest).length > 0 ? mergeExtra(before.extra, rest) : undefined
      const row = await change(req.db, (tx) =>
        updateCredential(
          tx,
          before.id,
          given({
            blob: blob === undefined ? undefined : bound(req.actor, nextType, blob),
            type,
            userId,
            projectId,
            extra,
          }),
        ),
      )
      return credentialView.show(row, req.view)
    },
  }),
  routeOn({
    method: 'DELETE',
    path: '/credentials/:id',
    policy: 'identity:delete_credential',
    ...on,
    async handle({ db, actor }, row) {
      requireReach(actor, row.projectId)
      requireManaging({ actor })
      await change(db, (tx) => removeCredential(tx, row.id))
    },
  }),
]
