import { Fault, unauthenticated } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { readCatalog } from '../catalog/model.ts'
import { issueToken } from './issue.ts'
import type { TokenReader } from './resolve.ts'
import { revokeToken } from './revoke.ts'
import { CreateToken } from './schema.ts'
import { tokenView } from './views.ts'

function subject(req: Request): string {
  const token = req.headers['x-subject-token']
  return typeof token === 'string' && token !== '' ? token : unauthenticated()
}

const wantsCatalog = (query: Request['query']) => one(query, 'nocatalog') === undefined

export function tokenRoutes(reader: TokenReader) {
  return [
    route({
      method: 'POST',
      path: '/auth/tokens',
      policy: 'public',
      body: CreateToken,
      async handle({ world, body, query }) {
        const { identity, scope } = body.auth
        const unscoped = scope === 'unscoped' || (typeof scope === 'object' && 'unscoped' in scope)
        const { token, resolved } = await issueToken(world, reader, {
          ...identity,
          scope: unscoped ? 'unscoped' : scope,
        } as Parameters<typeof issueToken>[2])
        const catalog = wantsCatalog(query) ? await readCatalog(world, resolved.actor) : undefined
        return reply({
          status: 201,
          body: tokenView(resolved, catalog),
          headers: { 'x-subject-token': token, vary: 'X-Auth-Token' },
        })
      },
    }),
    route({
      method: 'GET',
      path: '/auth/tokens',
      policy: 'identity:validate_token',
      target: (req) => reader.read(subject(req as Request)).catch(() => notThere()),
      policyTarget: ({ actor }) => ({ target: { token: { user_id: actor.userId } } }),
      async handle({ world, query, headers }, resolved) {
        const catalog = wantsCatalog(query) ? await readCatalog(world, resolved.actor) : undefined
        return reply({
          status: 200,
          body: tokenView(resolved, catalog),
          headers: { 'x-subject-token': String(headers['x-subject-token']), vary: 'X-Auth-Token' },
        })
      },
    }),
    route({
      method: 'DELETE',
      path: '/auth/tokens',
      policy: 'identity:revoke_token',
      target: (req) => reader.read(subject(req as Request)).catch(() => notThere()),
      policyTarget: ({ actor }) => ({ target: { token: { user_id: actor.userId } } }),
      async handle({ db }, { claims }) {
        await db.transaction((tx) => revokeToken(tx, claims))
        db.publish('identity', 'token')
      },
    }),
    route({
      method: 'GET',
      path: '/auth/catalog',
      policy: 'authenticated',
      async handle({ world, actor, url }) {
        return { catalog: await readCatalog(world, actor), links: { next: null, previous: null, self: url } }
      },
    }),
  ]
}

function notThere(): never {
  throw new Fault('notFound', 'This is not a recognized token.')
}
