// Every request of the S3 API comes in here: who asks and what, the right operation, may they; faults become S3's errors.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { accessAllowed, type Actor } from '#lib/actor.ts'
import type { Enforcer } from '#lib/policy.ts'
import type { World } from '#lib/world.ts'
import type { AccessKeys } from '#identity'
import { fromHeader } from '../swift/answer.ts'
import { noSuchBucket, requireAllowed } from './access/access.ts'
import type { Answer } from './wire/answer.ts'
import { authenticate, type Signature } from './wire/authenticate.ts'
import { makeBody } from './wire/body.ts'
import { corsHeaders, preflight } from './buckets/cors.ts'
import { refuse } from './wire/errors.ts'
import { findBucket } from './buckets/find.ts'
import { chooseOperation, type Operation } from './operation.ts'
import { operations } from './operations.ts'
import { answerSite, siteOf } from './buckets/site.ts'
import { requireSupported } from './objects/unsupported.ts'
import { readQuery, readTarget, type S3Request } from './wire/request.ts'

export interface Surroundings {
  world: World
  keys: AccessKeys
  enforcer: Enforcer
  /** The first is ours; the others are accepted in signatures, for clients that were told of none. */
  regions: readonly string[]
  /** Hosts whose sub-domains are buckets. */
  domains: readonly string[]
  /** Hosts whose sub-domains are buckets as web sites. */
  websiteDomains: readonly string[]
  secure: boolean
}

/** What was found out about a request, for the log and the audit trail, however it ends. */
export interface Known {
  actor: Actor
  operation: Operation | undefined
  bucket: string | undefined
  key: string | undefined
  projectId: string | undefined
  /** Its name within its project. */
  container?: string
  /** For a script of another origin, whatever it is answered. */
  cors?: Record<string, string>
}

/** `waits`: the client sends its body when it is told to go on (Expect: 100-continue). */
export async function answerS3(
  around: Surroundings,
  raw: IncomingMessage,
  res: ServerResponse,
  about: { requestId: string; waits: boolean; known: Known },
): Promise<Answer> {
  const { known } = about
  const url = raw.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const pairs = readQuery(mark < 0 ? '' : url.slice(mark + 1))
  const method = raw.method ?? 'GET'
  const target = readTarget(path, raw.headers.host, around.domains)
  known.bucket = target.bucket
  known.key = target.key
  const site = siteOf(raw.headers.host, around.websiteDomains)
  if (site !== undefined)
    return answerSite(
      makeRequest(around, raw, res, { ...about, method, target, pairs, signature: undefined }),
      site,
      path,
    )
  if (method === 'OPTIONS') {
    // browsers ask without credentials
    const asking = makeRequest(around, raw, res, { ...about, method, target, pairs, signature: undefined })
    return preflight(asking, target.bucket === undefined ? undefined : await findBucket(asking, target.bucket))
  }
  const signature = await authenticate(
    { method, path, query: pairs, headers: raw.headers },
    around.keys,
    around.regions,
  )
  if (signature) known.actor = signature.access.actor
  requireRules(known.actor, method, path)
  const request = makeRequest(around, raw, res, { ...about, method, target, pairs, signature })
  const operation = chooseOperation(operations, {
    level: target.bucket === undefined ? 'service' : target.key === undefined ? 'bucket' : 'object',
    method,
    query: request.query,
    hasHeader: (name) => request.header(name) !== undefined,
  })
  if (operation === 'method') refuse('MethodNotAllowed', undefined, { Method: method })
  if (operation === 'unknown') refuse('NotImplemented')
  known.operation = operation
  if (operation.level === 'object') requireSupported(request)
  return carryOut(request, operation, known)
}

async function carryOut(request: S3Request, operation: Operation, known: Known): Promise<Answer> {
  const { actor, target } = request
  if (operation.level === 'service' || operation.level === 'account') {
    if (actor.projectId === null) refuse('AccessDenied')
    known.projectId = actor.projectId
    if (!request.allows(operation.rule, actor.projectId)) refuse('AccessDenied')
    return operation.handle(request)
  }
  const bucket = await findBucket(request, target.bucket!, operation.readsObject && target.key)
  if (!bucket) return actor.userId === '' ? refuse('AccessDenied') : noSuchBucket(target.bucket!)
  known.projectId = bucket.whose.projectId
  known.container = bucket.container.name
  if (request.headers.origin !== undefined) known.cors = await corsHeaders(request, bucket)
  if (!operation.perKey || bucket.container.sharing?.policy === undefined)
    await requireAllowed(request, operation, bucket, target.key)
  if (operation.level === 'bucket') return operation.handle({ ...request, bucket })
  return operation.handle({ ...request, bucket, key: target.key! })
}

// Keys made with an application credential do no more than its access rules say.
function requireRules(actor: Actor, method: string, path: string): void {
  if (actor.accessRules && !accessAllowed(actor.accessRules, { services: ['s3'], method, path }))
    refuse('AccessDenied', 'The application credential has no access rule for this request.')
}

function makeRequest(
  around: Surroundings,
  raw: IncomingMessage,
  res: ServerResponse,
  about: {
    requestId: string
    waits: boolean
    known: Known
    method: string
    target: S3Request['target']
    pairs: [string, string][]
    signature: Signature | undefined
  },
): S3Request {
  const { world, enforcer, secure } = around
  const { requestId, method, target, pairs, signature } = about
  const { actor } = about.known
  const query = new Map<string, string>()
  for (const [name, value] of pairs) if (!query.has(name)) query.set(name, value)
  // SDKs move x-amz- headers into the query when they presign
  const moved =
    signature?.how === 'query' ? new Map(pairs.map(([name, value]) => [name.toLowerCase(), value])) : undefined
  const address = raw.socket.remoteAddress ?? ''
  const rules = enforcer.at(() => ({ address, at: new Date() }))
  return {
    world,
    db: world.db,
    actor,
    method,
    target,
    query,
    header: (name) => fromHeader(raw.headers[name]) ?? (name.startsWith('x-amz-') ? moved?.get(name) : undefined),
    headers: raw.headers,
    body: makeBody(raw, res, signature, about.waits),
    requestId,
    remoteAddress: address,
    secure,
    origin: `${secure ? 'https' : 'http'}://${raw.headers.host ?? ''}`,
    allows: (rule, projectId) => rules.allows(rule, actor, { project_id: projectId }),
  }
}
