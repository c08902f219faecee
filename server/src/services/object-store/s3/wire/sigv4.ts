// AWS Signature Version 4 for S3, as its servers check it (docs.aws.amazon.com, "Authenticating Requests (AWS Signature
// Version 4)"): the canonical request, the string to sign, the signing key. Pure functions; authenticate.ts uses them.
import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto'

export const algorithm = 'AWS4-HMAC-SHA256'

/** `<access key>/<date>/<region>/<service>/aws4_request` */
export interface CredentialScope {
  access: string
  date: string
  region: string
  service: string
}

/** Undefined for one of another form. */
export function readScope(text: string): CredentialScope | undefined {
  const parts = text.split('/')
  const ending = parts.pop()
  const [service, region, date] = [parts.pop(), parts.pop(), parts.pop()]
  if (ending !== 'aws4_request' || !service || !region || !date || !/^\d{8}$/.test(date) || parts.length === 0)
    return undefined
  return { access: parts.join('/'), date, region, service }
}
export const scopeText = ({ date, region, service }: CredentialScope) => `${date}/${region}/${service}/aws4_request`

export interface Unsigned {
  method: string
  /** As it came, still encoded. */
  path: string
  /** Decoded pairs, the signature itself left out. */
  query: readonly (readonly [string, string])[]
  /** The names that the client says it signed, lower case, in its order. */
  signedHeaders: readonly string[]
  /** As they came (one character a byte). */
  header: (name: string) => string | undefined
  /** What x-amz-content-sha256 says, or UNSIGNED-PAYLOAD. */
  payload: string
}

export function canonicalRequest(request: Unsigned): string {
  let headers = ''
  for (const name of request.signedHeaders) headers += `${name}:${trimmed(request.header(name) ?? '')}\n`
  const { method, path, query, payload } = request
  return `${method}\n${canonicalPath(path)}\n${canonicalQuery(query)}\n${headers}\n${request.signedHeaders.join(';')}\n${payload}`
}

function trimmed(value: string): string {
  const bare = value.trim()
  return bare.includes('  ') ? bare.replaceAll(/ {2,}/g, ' ') : bare
}

const plainPath = /^[A-Za-z0-9\-._~/]*$/
// S3 does not normalise paths, and encodes them once
function canonicalPath(path: string): string {
  if (plainPath.test(path)) return path
  return path
    .split('/')
    .map((part) => encode(decodeURIComponent(part)))
    .join('/')
}

function canonicalQuery(query: Unsigned['query']): string {
  if (query.length === 0) return ''
  const pairs = query.map(([name, value]) => [encode(name), encode(value)] as const)
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

const unreserved = /^[A-Za-z0-9\-._~]*$/
/** AWS's percent-encoding: everything but A-Z a-z 0-9 - . _ ~ */
export function encode(text: string): string {
  if (unreserved.test(text)) return text
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

export const sha256Hex = (data: string | Buffer) =>
  typeof data === 'string' ? createHash('sha256').update(data, 'latin1').digest('hex') : hash('sha256', data, 'hex')

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

export function signingKey(secret: string, { date, region, service }: CredentialScope): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request')
}

/** `time`: as in x-amz-date. */
export function signatureOf(key: Buffer, time: string, scope: CredentialScope, canonical: string): string {
  return signText(key, `${algorithm}\n${time}\n${scopeText(scope)}\n${sha256Hex(canonical)}`)
}
export function signText(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** Whether two signatures are the same, in a time that does not tell where they differ. */
export function sameSignature(right: string, given: string): boolean {
  const [a, b] = [Buffer.from(right), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** `20150830T123600Z` in milliseconds; undefined for another form. */
export function timeOf(text: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (!found) return undefined
  const [, year, month, day, hour, minute, second] = found.map(Number)
  return Date.UTC(year!, month! - 1, day, hour, minute, second)
}
