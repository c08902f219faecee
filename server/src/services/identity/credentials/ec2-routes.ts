// OS-EC2: access and secret keys for S3 and EC2 clients, kept as credentials of the type ec2.
import { randomBytes } from 'node:crypto'
import { notFound } from '#lib/fault.ts'
import { type Method, type Request, reply, route } from '#lib/http/route.ts'
import type { Viewer } from '#lib/view.ts'
import { Type } from 'typebox'
import { Id } from '../fields.ts'
import { listLinks } from '../lists.ts'
import { findProject } from '../projects/model.ts'
import { requireManaging } from '../application-credentials/managing.ts'
import { change } from '../change.ts'
import { findUser } from '../users/model.ts'
import {
  type Credential,
  findCredential,
  idOfAccess,
  insertCredential,
  listCredentials,
  removeCredential,
} from './model.ts'
import { aboutCredential } from './policy.ts'
import { requireReach } from './routes.ts'

const CreateEc2 = Type.Object({ tenant_id: Id })
const path = '/users/:userId/credentials/OS-EC2'

interface Keys {
  access: string
  secret: string
  trust_id: string | null
  app_cred_id: string | null
}
function ec2View(row: Credential, { baseUrl }: Viewer) {
  const { access, secret, trust_id: trustId } = JSON.parse(row.blob) as Partial<Keys>
  return {
    user_id: row.userId,
    tenant_id: row.projectId,
    access,
    secret,
    trust_id: trustId ?? null,
    links: { self: `${baseUrl}/users/${row.userId}/credentials/OS-EC2/${access}` },
  }
}

/** A route about one key; the user must be the one whose it is. */
function onKey(method: Method, policy: string, handle: (req: Request, row: Credential) => Promise<unknown>) {
  return route({
    method,
    path: `${path}/:access`,
    policy,
    target: async ({ db, params }) => {
      const row = await findCredential(db, idOfAccess(params['access']!))
      if (!row || row.type !== 'ec2') return notFound('EC2 access key', params['access']!)
      return { row }
    },
    policyTarget: ({ row }) => aboutCredential(row),
    async handle(req, { row }) {
      if (row.userId !== req.params['userId']) notFound('EC2 access key', req.params['access']!)
      requireReach(req.actor, row.projectId)
      return handle(req, row)
    },
  })
}

export const ec2Routes = [
  route({
    method: 'POST',
    path,
    policy: 'identity:ec2_create_credential',
    status: 201,
    body: CreateEc2,
    target: async ({ params }) => ({ userId: params['userId']! }),
    policyTarget: aboutCredential,
    async handle(req, { userId }) {
      const { db, body, view, actor } = req
      requireManaging(req)
      const projectId = body.tenant_id
      if (!(await findUser(db, userId))) notFound('User', userId)
      if (!(await findProject(db, projectId))) notFound('Project', projectId)
      requireReach(actor, projectId)
      const keys: Keys = {
        access: randomBytes(16).toString('hex'),
        secret: randomBytes(16).toString('hex'),
        trust_id: actor.trustId,
        app_cred_id: actor.applicationCredentialId,
      }
      const spec = { userId, projectId, type: 'ec2', blob: JSON.stringify(keys), extra: {} }
      const row = await db.transaction((tx) => insertCredential(tx, spec, idOfAccess(keys.access)))
      return { credential: ec2View(row, view) }
    },
  }),
  route({
    method: 'GET',
    path,
    policy: 'identity:ec2_list_credentials',
    target: async ({ params }) => ({ userId: params['userId']! }),
    policyTarget: aboutCredential,
    async handle(req, { userId }) {
      const { db, view, actor } = req
      if (!(await findUser(db, userId))) notFound('User', userId)
      const delegated = (actor.trustId ?? actor.applicationCredentialId) !== null
      const rows = await listCredentials(db, { userId, type: 'ec2' })
      return {
        credentials: rows
          .filter(({ projectId }) => !delegated || projectId === actor.projectId)
          .map((row) => ec2View(row, view)),
        ...listLinks(req),
      }
    },
  }),
  onKey('GET', 'identity:ec2_get_credential', async ({ view }, row) => ({ credential: ec2View(row, view) })),
  onKey('DELETE', 'identity:ec2_delete_credential', async ({ db }, row) => {
    await change(db, (tx) => removeCredential(tx, row.id))
    return reply({ status: 204 })
  }),
]
