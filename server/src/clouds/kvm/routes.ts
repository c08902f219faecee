// The HTTP side of our own hosts: join tokens, joining, images for agents, and the operator's view of the hosts.
import type { Readable } from 'node:stream'
import { JoinRequest, signedText } from '@pileus/contract/agent.ts'
import { Type } from 'typebox'
import { type Db, sql } from '#lib/db.ts'
import { notFound, unauthenticated } from '#lib/fault.ts'
import { reply, route, type Service } from '#lib/http/route.ts'
import { strict } from '#lib/http/schema.ts'
import { isUuid } from '#lib/id.ts'
import { admin, policies } from '#lib/policy.ts'
import type { CloudReports } from '../cloud.ts'
import { listHosts, removeHost } from './hosts.ts'
import { joinHost, makeJoinToken } from './join.ts'
import { isSignedBy, type Keys } from './keys.ts'
import { findHost } from './model.ts'

/** The bytes of an image, whoever owns it; undefined when there are none. */
export type OpenImage = (id: string) => Promise<{ data: Readable; sizeBytes: number } | undefined>

const rules = policies({
  'agent:join_tokens:create': admin,
  'agent:hosts:list': admin,
  'agent:hosts:delete': admin,
})

const NewToken = strict({
  uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  expires_in: Type.Optional(Type.Integer({ minimum: 1, maximum: 30 * 86_400 })), // seconds
})
const defaultTokenSeconds = 24 * 3600
const signatureSeconds = 60

export function agentService(keys: () => Promise<Keys>, openImage: OpenImage, reports: CloudReports): Service {
  return {
    name: 'agent',
    mount: '/agent',
    prefix: '/v1',
    regional: false,
    catalog: [],
    uuidParams: false,
    policies: rules,
    envelope: (fault, status) => ({ body: { error: { code: status, message: fault.message } } }),
    routes: [
      route({
        method: 'POST',
        path: '/join-tokens',
        policy: 'agent:join_tokens:create',
        body: NewToken,
        status: 201,
        async handle({ db, body, region }) {
          const { uses = 1, expires_in: seconds = defaultTokenSeconds } = body
          const own = await keys()
          const made = await db.transaction((tx) => makeJoinToken(tx, own, { region, uses, seconds }))
          return { id: made.id, token: made.token, uses, expires_at: made.expiresAt.toISOString() }
        },
      }),
      route({
        method: 'POST',
        path: '/join',
        policy: 'public',
        body: JoinRequest,
        async handle({ db, body, region, log }) {
          const own = await keys()
          const joined = await db.transaction((tx) => joinHost(tx, own, region, body))
          log.info({ host: body.name, id: joined.hostId }, 'a host has joined')
          return joined
        },
      }),
      route({
        method: 'GET',
        path: '/images/:id',
        policy: 'public',
        async handle({ db, headers, params, region }) {
          const id = params['id'] ?? ''
          const hostId = await requireHost(db, region, `/agent/v1/images/${id}`, headers.authorization)
          if (!isUuid(id) || !(await needsImage(db, hostId, id))) return notFound('Image', id)
          const image = (await openImage(id)) ?? notFound('Image', id)
          const headersOut = {
            'content-type': 'application/octet-stream',
            'content-length': String(image.sizeBytes),
          }
          return reply({ body: image.data, headers: headersOut })
        },
      }),
      route({
        method: 'GET',
        path: '/hosts',
        policy: 'agent:hosts:list',
        handle: async ({ db, region }) => ({ hosts: await listHosts(db, region) }),
      }),
      route({
        method: 'DELETE',
        path: '/hosts/:name',
        policy: 'agent:hosts:delete',
        async handle({ db, params, region }) {
          await db.transaction((tx) => removeHost(tx, region, params['name'] ?? '', reports))
        },
      }),
    ],
  }
}

/** The id of the host that signed the request. Throws unauthenticated. */
async function requireHost(db: Db, region: string, path: string, authorization: string | undefined): Promise<string> {
  const [, hostId = '', seconds = '', signature = ''] =
    /^Pileus-Agent ([0-9a-f-]{36})\.(\d{1,12})\.([A-Za-z0-9_-]+)$/.exec(authorization ?? '') ?? []
  const host = isUuid(hostId) ? await findHost(db, region, hostId) : undefined
  const isFresh = Math.abs(Date.now() / 1000 - Number(seconds)) <= signatureSeconds
  if (!host || !isFresh || !isSignedBy(host.publicKey, signedText('GET', path, hostId, Number(seconds)), signature))
    return unauthenticated('The request is not signed by a host of this cloud, or its clock is wrong.')
  return host.id
}

/** A host may read the images of the machines that it should run, and no others. */
async function needsImage(db: Db, hostId: string, imageId: string): Promise<boolean> {
  const rows = await db.rows(sql`
    select 1 from kvm_object where host_id = ${hostId} and kind = 'machine'
      and jsonb_path_exists(spec, '$.**.imageId ? (@ == $id)', jsonb_build_object('id', ${imageId}::text)) limit 1`)
  return rows.length > 0
}
