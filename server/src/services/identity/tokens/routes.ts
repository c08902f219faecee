import { Fault, unauthenticated } from '#lib/fault.ts'
import { one } from '#lib/http/page.ts'
import { reply, type Request, route } from '#lib/http/route.ts'
import { change } from '../change.ts'
import { flag, listLinks } from '../lists.ts'
import { keystoneTime, readTime } from '../time.ts'
import { issueToken } from './issue.ts'
import type { ResolvedToken, TokenReader } from './resolve.ts'
import { graceMs, listRevocations, revokeToken } from './revoke.ts'
import { CreateToken } from './schema.ts'
import { showToken } from './shown.ts'

function subject(req: Pick<Request, 'headers'>): string {
  const token = req.headers['x-subject-token']
  return typeof token === 'string' && token !== '' ? token : unauthenticated()
}

function receiptOf({ headers }: Pick<Request, 'headers'>): string | undefined {
  const receipt = headers['openstack-auth-receipt']
  return typeof receipt === 'string' && receipt !== '' ? receipt : undefined
}

const wantsCatalog = (query: Request['query']) => one(query, 'nocatalog') === undefined

function notThere(): never {
  throw new Fault('notFound', 'This is not a recognized token.')
}

export function tokenRoutes(reader: TokenReader) {
  const find = (req: Pick<Request, 'headers' | 'query'>) =>
    reader.read(subject(req), flag(req.query, 'allow_expired') ? { graceMs } : undefined).catch((error: unknown) => {
      // a directory that is away says nothing about the token
      if (error instanceof Fault && error.kind !== 'unavailable') return notThere()
      throw error
    })
  const about = ({ claims, actor }: ResolvedToken) => ({
    target: { token: { user_id: actor.userId || claims.userId } },
  })
  return [
    route({
      method: 'POST',
      path: '/auth/tokens',
      policy: 'public',
      body: CreateToken,
      async handle(req) {
        const { world, body, query } = req
        const { identity, scope } = body.auth
        const issued = await issueToken(world, reader, {
          methods: identity.methods,
          password: identity.password,
          // Keystone takes a federated token back by either name
          token: identity.token ?? identity.mapped ?? identity.saml2,
          totp: identity.totp,
          applicationCredential: identity.application_credential,
          oauth1: req,
          scope,
          receipt: receiptOf(req),
          address: req.remoteAddress,
        })
        if ('sealed' in issued)
          return reply({ status: 401, body: issued.body, headers: { 'openstack-auth-receipt': issued.sealed } })
        const { token, resolved } = issued
        return reply({
          status: 201,
          body: await showToken(world, resolved, wantsCatalog(query)),
          headers: { 'x-subject-token': token, vary: 'X-Auth-Token' },
        })
      },
    }),
    route({
      method: 'GET',
      path: '/auth/tokens',
      policy: 'identity:validate_token',
      target: find,
      policyTarget: about,
      async handle({ world, query, headers }, resolved) {
        return reply({
          status: 200,
          body: await showToken(world, resolved, wantsCatalog(query)),
          headers: { 'x-subject-token': String(headers['x-subject-token']), vary: 'X-Auth-Token' },
        })
      },
    }),
    route({
      method: 'HEAD',
      path: '/auth/tokens',
      policy: 'identity:check_token',
      target: find,
      policyTarget: about,
      handle: async ({ headers }) =>
        reply({
          status: 200,
          headers: { 'x-subject-token': String(headers['x-subject-token']), vary: 'X-Auth-Token' },
        }),
    }),
    route({
      method: 'DELETE',
      path: '/auth/tokens',
      policy: 'identity:revoke_token',
      target: find,
      policyTarget: about,
      async handle({ db }, { claims }) {
        await change(db, (tx) => revokeToken(tx, claims))
      },
    }),
    route({
      method: 'GET',
      path: '/OS-REVOKE/events',
      policy: 'identity:list_revoke_events',
      async handle(req) {
        const since = one(req.query, 'since')
        const rows = await listRevocations(req.db, since === undefined ? undefined : readTime(since, 'since'))
        return {
          events: rows.map(({ auditId, revokedAt }) => ({
            audit_id: auditId,
            issued_before: keystoneTime(revokedAt.getTime()),
          })),
          ...listLinks(req),
        }
      },
    }),
  ]
}
