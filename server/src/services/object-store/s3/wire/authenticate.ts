// Who signed a request, and how its bytes are vouched for: signature version 4 in the header or in the query, or nobody.
import type { IncomingHttpHeaders } from 'node:http'
import type { AccessKey, AccessKeys } from '#identity'
import { refuse } from './errors.ts'
import {
  algorithm,
  canonicalRequest,
  type CredentialScope,
  readScope,
  sameSignature,
  signatureOf,
  signingKey,
  timeOf,
} from './sigv4.ts'

export interface Unauthenticated {
  method: string
  path: string
  query: readonly (readonly [string, string])[]
  headers: IncomingHttpHeaders
}

export interface Signature {
  access: AccessKey
  key: Buffer
  /** As in x-amz-date. */
  time: string
  scope: CredentialScope
  signature: string
  how: 'header' | 'query'
  /** What x-amz-content-sha256 says. */
  payload: string
}

const skewMs = 15 * 60_000
const longestSeconds = 7 * 24 * 3600
export const unsignedPayload = 'UNSIGNED-PAYLOAD'

/** Undefined for an anonymous request. Throws in S3's words when the signature is not good. */
export async function authenticate(
  request: Unauthenticated,
  keys: AccessKeys,
  regions: readonly string[],
  nowMs = Date.now(),
): Promise<Signature | undefined> {
  const { authorization } = request.headers
  const signed = request.query.find(([name]) => name === 'X-Amz-Algorithm')
  if (authorization !== undefined && signed !== undefined)
    refuse(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified',
    )
  if (signed !== undefined) return byQuery(request, keys, regions, nowMs)
  if (authorization !== undefined) return byHeader(request, authorization, keys, regions, nowMs)
  if (request.query.some(([name]) => name === 'Signature' || name === 'AWSAccessKeyId')) onlyVersion4()
  return undefined
}

function onlyVersion4(): never {
  return refuse(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )
}

async function byHeader(
  request: Unauthenticated,
  authorization: string,
  keys: AccessKeys,
  regions: readonly string[],
  nowMs: number,
): Promise<Signature> {
  if (!authorization.startsWith(`${algorithm} `)) onlyVersion4()
  const { credential, signedHeaders, signature } = readAuthorization(authorization)
  const scope = requireScope(credential, regions, 'AuthorizationHeaderMalformed')
  const payload = textOf(request.headers['x-amz-content-sha256'])
  if (payload === undefined) refuse('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  const time = timeOfHeaders(request.headers)
  const ms = timeOf(time) ?? refuse('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  if (Math.abs(nowMs - ms) > skewMs)
    refuse('RequestTimeTooSkewed', undefined, {
      RequestTime: time,
      ServerTime: new Date(nowMs).toISOString(),
      MaxAllowedSkewMilliseconds: String(skewMs),
    })
  if (time.slice(0, 8) !== scope.date)
    refuse('AuthorizationHeaderMalformed', 'The date in the credential scope is not that of the request.')
  const { query } = request
  return check(request, keys, { scope, signedHeaders, signature, time, payload, query, how: 'header' })
}

async function byQuery(
  request: Unauthenticated,
  keys: AccessKeys,
  regions: readonly string[],
  nowMs: number,
): Promise<Signature> {
  const malformed = (message: string): never => refuse('AuthorizationQueryParametersError', message)
  const param = (name: string) =>
    request.query.find(([each]) => each === name)?.[1] ??
    malformed(`Query-string authentication version 4 requires the parameter ${name}`)
  if (param('X-Amz-Algorithm') !== algorithm) malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  const scope = requireScope(param('X-Amz-Credential'), regions, 'AuthorizationQueryParametersError')
  const time = param('X-Amz-Date')
  const ms = timeOf(time) ?? malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  const expires = param('X-Amz-Expires')
  if (!/^\d+$/.test(expires)) malformed('X-Amz-Expires should be a number')
  if (Number(expires) > longestSeconds)
    malformed(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  if (Number(expires) < 1) malformed('X-Amz-Expires must be non-negative and at least 1')
  if (time.slice(0, 8) !== scope.date) malformed('The date in the credential scope is not that of X-Amz-Date.')
  if (ms - nowMs > skewMs) refuse('AccessDenied', 'Request is not yet valid')
  if (nowMs > ms + Number(expires) * 1000)
    refuse('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': expires,
      Expires: new Date(ms + Number(expires) * 1000).toISOString(),
      ServerTime: new Date(nowMs).toISOString(),
    })
  const given = request.query.find(([name]) => name === 'X-Amz-Content-Sha256')?.[1]
  return check(request, keys, {
    scope,
    signedHeaders: param('X-Amz-SignedHeaders').split(';'),
    signature: param('X-Amz-Signature'),
    time,
    payload: given ?? textOf(request.headers['x-amz-content-sha256']) ?? unsignedPayload,
    query: request.query.filter(([name]) => name !== 'X-Amz-Signature'),
    how: 'query',
  })
}

interface Claim {
  scope: CredentialScope
  signedHeaders: string[]
  signature: string
  time: string
  payload: string
  query: Unauthenticated['query']
  how: 'header' | 'query'
}

async function check(request: Unauthenticated, keys: AccessKeys, claim: Claim): Promise<Signature> {
  const { scope, signedHeaders, signature, time, payload, how } = claim
  requireSigned(request.headers, signedHeaders, how)
  const access = await keys.find(scope.access)
  if (!access) refuse('InvalidAccessKeyId', undefined, { AWSAccessKeyId: scope.access })
  const key = keyOf(access, scope)
  const canonical = canonicalRequest({
    method: request.method,
    path: request.path,
    query: claim.query,
    signedHeaders,
    header: (name) => textOf(request.headers[name]),
    payload,
  })
  if (!sameSignature(signatureOf(key, time, scope, canonical), signature))
    refuse('SignatureDoesNotMatch', undefined, {
      AWSAccessKeyId: scope.access,
      SignatureProvided: signature,
      CanonicalRequest: canonical,
    })
  return { access, key, time, scope, signature, how, payload }
}

/** What means something must be signed: the host and everything of AWS's own. */
function requireSigned(headers: IncomingHttpHeaders, signed: string[], how: Claim['how']): void {
  const missing = Object.keys(headers).filter(
    (name) =>
      (name === 'host' || name.startsWith('x-amz-')) &&
      !signed.includes(name) &&
      // it stands in what is signed itself
      !(how === 'query' && name === 'x-amz-content-sha256'),
  )
  if (missing.length > 0)
    refuse('AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: missing.join(', '),
    })
}

function readAuthorization(text: string): { credential: string; signedHeaders: string[]; signature: string } {
  const part = (name: string) =>
    new RegExp(`[ ,]${name}=([^,\\s]+)`).exec(text)?.[1] ??
    refuse('AuthorizationHeaderMalformed', `The authorization header is malformed; it has no ${name}.`)
  return {
    credential: part('Credential'),
    signedHeaders: part('SignedHeaders').split(';'),
    signature: part('Signature'),
  }
}

function requireScope(
  credential: string,
  regions: readonly string[],
  code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError',
): CredentialScope {
  const scope =
    readScope(credential) ??
    refuse(code, 'The credential is malformed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
  if (scope.service !== 's3') refuse(code, `The credential is for the service '${scope.service}'; expecting 's3'.`)
  if (!regions.includes(scope.region))
    refuse(code, `The region '${scope.region}' is wrong; expecting '${regions[0]}'`, { Region: regions[0]! })
  return scope
}

// Signing keys change with the day; an access key that is forgotten takes its own along.
const signingKeys = new WeakMap<AccessKey, Map<string, Buffer>>()
const mostDays = 4
function keyOf(access: AccessKey, scope: CredentialScope): Buffer {
  let known = signingKeys.get(access)
  if (!known) signingKeys.set(access, (known = new Map()))
  const name = `${scope.date}/${scope.region}`
  let key = known.get(name)
  if (!key) {
    if (known.size >= mostDays) known.clear()
    known.set(name, (key = signingKey(access.secret, scope)))
  }
  return key
}

function timeOfHeaders(headers: IncomingHttpHeaders): string {
  const given = textOf(headers['x-amz-date'])
  if (given !== undefined) return given
  const ms = Date.parse(headers.date ?? '')
  return Number.isNaN(ms) ? '' : `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

// repeated headers are signed with a comma between them, and no blank
function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}
