import { Type } from 'typebox'
import { and, eq } from '#lib/db.ts'
import { forbidden, invalid } from '#lib/fault.ts'
import { listPage, nextUrl, one, readPage } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { since, strict } from '#lib/http/schema.ts'
import { parseVersion } from '#lib/microversion.ts'
import { view } from '#lib/view.ts'
import { bareTime } from '../wire.ts'
import { createKeypair, keyMaterial } from './create.ts'
import { deleteKeypair, getKeypair, type Keypair, keypair } from './model.ts'

const typed = parseVersion('2.2')
const ofOthers = parseVersion('2.10')
const paged = parseVersion('2.35')
const importOnly = parseVersion('2.92')

const CreateKeypair = strict({
  keypair: strict({
    name: Type.String({ minLength: 1, maxLength: 255 }),
    public_key: Type.Optional(Type.String({ maxLength: 65535 })),
    type: Type.Optional(since('2.2', Type.Enum(['ssh', 'x509']))),
    user_id: Type.Optional(since('2.10', Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-]*$' }))),
  }),
})

type Shown = Keypair & { privateKey?: string | undefined }
const fields = {
  name: (k: Shown) => k.name,
  public_key: (k: Shown) => k.publicKey,
  fingerprint: (k: Shown) => k.fingerprint,
  type: { since: '2.2', get: (k: Shown) => k.type },
}
const keypairItem = view<Shown>(['keypair', 'keypairs'], fields)
const keypairCreated = view<Shown>(['keypair', 'keypairs'], {
  ...fields,
  user_id: (k) => k.userId,
  private_key: (k) => k.privateKey,
})
const keypairView = view<Shown>(['keypair', 'keypairs'], {
  ...fields,
  user_id: (k) => k.userId,
  id: (k) => k.id,
  created_at: (k) => bareTime(k.createdAt),
  deleted: () => false,
  deleted_at: () => null,
  updated_at: () => null,
})

/** Whose keys are meant: one's own, or since 2.10 another user's, which the policy decides. */
function keyOwner(req: Pick<Request, 'version' | 'query' | 'actor' | 'require'>, rule: string): string {
  const asked = req.version >= ofOthers ? one(req.query, 'user_id') : undefined
  const userId = asked ?? req.actor.userId
  req.require(`os_compute_api:os-keypairs:${rule}`, { user_id: userId, project_id: req.actor.projectId })
  return userId
}

export const keypairRoutes = [
  route({
    method: 'GET',
    path: '/os-keypairs',
    policy: 'authenticated',
    async handle(req) {
      const userId = keyOwner(req, 'index')
      const query = req.version >= paged ? req.query : {}
      const page = readPage(
        { ...query, sort_key: [], sort_dir: [] },
        {
          sortable: {},
          defaultSort: [{ column: keypair.name, descending: false }],
        },
      )
      const mine = and(eq(keypair.region, req.region), eq(keypair.userId, userId))
      const { rows, more } = await listPage(req.db, keypair, keypair.name, mine, page)
      const last = rows.at(-1)
      return {
        keypairs: rows.map((row) => keypairItem.show(row, req.view)),
        ...(more &&
          last &&
          req.version >= paged && {
            keypairs_links: [{ rel: 'next', href: nextUrl(req, last.name) }],
          }),
      }
    },
  }),
  route({
    method: 'POST',
    path: '/os-keypairs',
    policy: 'authenticated',
    body: CreateKeypair,
    async handle(req) {
      const { name, public_key: publicKey, type = 'ssh', user_id: userId = req.actor.userId } = req.body.keypair
      req.require('os_compute_api:os-keypairs:create', { user_id: userId, project_id: req.actor.projectId })
      const trimmed = req.version < typed ? name.trim() : name
      const alphabet = req.version >= importOnly ? /^[\w @.-]+$/ : /^[\w -]+$/
      if (!alphabet.test(trimmed) || trimmed !== trimmed.trim())
        invalid(
          `Keypair name '${name}' is not possible: it may have letters, digits, blanks, '_' and '-'${req.version >= importOnly ? `, '@' and '.'` : ''}, with no blank at its ends.`,
        )
      if (publicKey === undefined && req.version >= importOnly)
        invalid('public_key is required: since API version 2.92 key pairs are only imported.')
      const wish = { region: req.region, projectId: req.actor.projectId ?? '', userId, name: trimmed, type, publicKey }
      const material = await keyMaterial(wish)
      const made = await req.db.transaction((tx) => createKeypair(tx, wish, material))
      const shown = { ...made, privateKey: material.privateKey }
      return reply({ status: req.version >= typed ? 201 : 200, body: keypairCreated.show(shown, req.view) })
    },
  }),
  route({
    method: 'GET',
    path: '/os-keypairs/:name',
    policy: 'authenticated',
    async handle(req) {
      const userId = keyOwner(req, 'show')
      return keypairView.show(await getKeypair(req.db, req.region, userId, req.params['name']!), req.view)
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-keypairs/:name',
    policy: 'authenticated',
    async handle(req) {
      const userId = keyOwner(req, 'delete')
      if (req.actor.userId === '') forbidden('Only users have key pairs.')
      await req.db.transaction((tx) => deleteKeypair(tx, req.region, userId, req.params['name']!))
      return reply({ status: req.version >= typed ? 204 : 202 })
    },
  }),
]
