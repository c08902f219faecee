// Keys of projects for SSE-KMS: an API of our own, until there is a key manager.
import { Type } from 'typebox'
import { invalid, notFound } from '#lib/fault.ts'
import { nextUrl, one, readPage } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { view } from '#lib/view.ts'
import type { ObjectKey } from '../encryption/model.ts'
import { cancelDeletion, changeKey, createKey, getKey, listKeys, scheduleDeletion } from '../encryption/own-keys.ts'
import { keyArn } from '../encryption/project-keys.ts'

const Description = Type.String({ maxLength: 1000 })
const CreateKey = strict({
  key: strict({
    name: Type.String({ pattern: '^[A-Za-z0-9/_-]{1,250}$' }),
    description: Type.Optional(Description),
  }),
})
const ChangeKey = strict({
  key: strict(
    { enabled: Type.Optional(Type.Boolean()), description: Type.Optional(Description) },
    { minProperties: 1 },
  ),
})

const keyView = view<ObjectKey>(['key', 'keys'], {
  id: (k) => k.id,
  name: (k) => k.name,
  arn: (k) => keyArn(k.region, k.projectId, k.id),
  project_id: (k) => k.projectId,
  // storage: SSE-S3; default: SSE-KMS where no key is named; named: made by the project
  purpose: (k) => k.purpose,
  description: (k) => k.description,
  enabled: (k) => k.enabled,
  state: (k) => (k.deleteAt ? 'pending_deletion' : k.enabled ? 'enabled' : 'disabled'),
  delete_at: (k) => k.deleteAt?.toISOString() ?? null,
  created_at: (k) => k.createdAt.toISOString(),
})

/** What the path names; a key of another project is not there, but for those who may see all. */
async function named(req: Pick<Request, 'db' | 'region' | 'params' | 'allows'>): Promise<ObjectKey> {
  const id = req.params['id']!
  const key = await getKey(req.db, req.region, id)
  return req.allows('object-key:get', { project_id: key.projectId }) ? key : notFound('Key', id)
}
const policyTarget = (key: ObjectKey) => ({ project_id: key.projectId })
const ownProject = (req: Pick<Request, 'actor' | 'region'>) => {
  const { projectId } = req.actor
  return { region: req.region, projectId: projectId ?? invalid('Keys belong to a project: the token must be for one.') }
}

export const keyRoutes = [
  route({
    method: 'GET',
    path: '/keys',
    policy: 'object-key:list',
    async handle(req) {
      const page = readPage(req.query, { sortable: {}, defaultSort: [], defaultLimit: 100 })
      const after = page.marker && (await getKey(req.db, req.region, page.marker)).id
      const rows = await listKeys(req.db, ownProject(req), page.limit + 1, after)
      const shown = rows.slice(0, page.limit)
      const last = shown.at(-1)
      const more = rows.length > shown.length && last
      return keyView.list(shown, req.view, more ? { links: [{ rel: 'next', href: nextUrl(req, last.id) }] } : {})
    },
  }),
  route({
    method: 'POST',
    path: '/keys',
    policy: 'object-key:create',
    status: 201,
    body: CreateKey,
    async handle(req) {
      const { name, description = '' } = req.body.key
      const whose = ownProject(req)
      return keyView.show(await req.db.transaction((tx) => createKey(tx, whose, name, description)), req.view)
    },
  }),
  route({
    method: 'GET',
    path: '/keys/:id',
    policy: 'object-key:get',
    target: named,
    policyTarget,
    handle: async (req, key) => keyView.show(key, req.view),
  }),
  route({
    method: 'PATCH',
    path: '/keys/:id',
    policy: 'object-key:update',
    body: ChangeKey,
    target: named,
    policyTarget,
    async handle(req, key) {
      if (key.purpose === 'storage') req.require('object-key:delete_storage', policyTarget(key))
      return keyView.show(await req.db.transaction((tx) => changeKey(tx, key, req.body.key)), req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/keys/:id',
    policy: 'object-key:delete',
    status: 202,
    target: named,
    policyTarget,
    async handle(req, key) {
      if (key.purpose === 'storage') req.require('object-key:delete_storage', policyTarget(key))
      const text = one(req.query, 'days') ?? '30'
      if (!/^\d{1,2}$/.test(text) || Number(text) < 7 || Number(text) > 30)
        invalid('A key is destroyed in 7 to 30 days (`days`), so that there is time to think again.')
      return keyView.show(await req.db.transaction((tx) => scheduleDeletion(tx, key, Number(text))), req.view)
    },
  }),
  route({
    method: 'POST',
    path: '/keys/:id/restore',
    policy: 'object-key:delete',
    target: named,
    policyTarget,
    handle: async (req, key) => keyView.show(await req.db.transaction((tx) => cancelDeletion(tx, key)), req.view),
  }),
]
