// Signatures of AWS requests: version 2 and 4 of EC2's, and S3's over a string to sign (docs.aws.amazon.com, "Signature
// Version 4 signing process", "Signature Version 2", "Authenticating requests").
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

export interface SignedRequest {
  verb: string
  host: string
  path: string
  params: Readonly<Record<string, string>>
  headers: Readonly<Record<string, string>>
  bodyHash: string
}

const hmac = (key: string | Buffer, text: string, hash = 'sha256') => createHmac(hash, key).update(text).digest()
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

// AWS's own percent-encoding: everything but A-Z a-z 0-9 - _ . ~
const encode = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
const byKey = ([a]: [string, string], [b]: [string, string]) => (a < b ? -1 : a > b ? 1 : 0)
const queryOf = (params: [string, string][]) =>
  params
    .toSorted(byKey)
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .join('&')

/** Whether two signatures are the same, in a time that does not tell where they differ. */
export function sameSignature(a: string, b: string): boolean {
  const [left, right] = [sha256(a), sha256(b)]
  return timingSafeEqual(Buffer.from(left), Buffer.from(right))
}

/** The signature of a request; undefined when it says of no version known here how it is signed. */
export function signRequest(request: SignedRequest, secret: string): string | undefined {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key.toLowerCase(), value]))
  if (
    headers['authorization']?.startsWith('AWS4-HMAC-SHA256') ||
    request.params['X-Amz-Algorithm'] === 'AWS4-HMAC-SHA256'
  )
    return signV4({ ...request, headers }, secret)
  return request.params['SignatureVersion'] === '2' ? signV2(request, secret) : undefined
}

function signV2({ verb, host, path, params }: SignedRequest, secret: string): string {
  const hash = params['SignatureMethod'] === 'HmacSHA1' ? 'sha1' : 'sha256'
  const query = queryOf(Object.entries(params).filter(([key]) => key !== 'Signature'))
  return hmac(secret, `${verb}\n${host}\n${path}\n${query}`, hash).toString('base64')
}

function signV4({ verb, path, params, headers, bodyHash }: SignedRequest, secret: string): string | undefined {
  const authorization = headers['authorization'] ?? ''
  const part = (name: string) => new RegExp(`${name}=([^,\\s]+)`).exec(authorization)?.[1]
  const names = (part('SignedHeaders') ?? params['X-Amz-SignedHeaders'])?.split(';')
  const credential = part('Credential') ?? params['X-Amz-Credential']
  const date = headers['x-amz-date'] ?? params['X-Amz-Date']
  const scope = credential?.split('/').slice(1)
  if (!names || !date || scope?.length !== 4 || scope[3] !== 'aws4_request' || !date.startsWith(scope[0]!))
    return undefined
  const canonical = [
    verb,
    path,
    queryOf(Object.entries(params).filter(([key]) => key !== 'X-Amz-Signature')),
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    '',
    names.join(';'),
    bodyHash,
  ].join('\n')
  return signText(['AWS4-HMAC-SHA256', date, scope.join('/'), sha256(canonical)].join('\n'), secret)
}

/** The signature over a string to sign: version 4 where it says so, else S3's first one. undefined for a wrong form. */
export function signText(text: string, secret: string): string | undefined {
  if (!text.startsWith('AWS4')) return hmac(secret, text, 'sha1').toString('base64')
  const [algorithm, , scope = '', ...rest] = text.split('\n')
  const [date = '', region = '', service = '', ending] = scope.split('/')
  if (algorithm !== 'AWS4-HMAC-SHA256' || ending !== 'aws4_request' || rest.length !== 1) return undefined
  const key = [region, service, 'aws4_request'].reduce<Buffer>(
    (made, next) => hmac(made, next),
    hmac(`AWS4${secret}`, date),
  )
  return hmac(key, text).toString('hex')
}
