// AWS signature version 4 for requests of our own, in the headers.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
import { createHash, createHmac } from 'node:crypto'

export interface Keys {
  accessKey: string
  secretKey: string
  region: string
}
export interface Unsigned {
  method: string
  /** As it is sent: percent-encoded, without a query. */
  path: string
  query: Readonly<Record<string, string>>
  headers: Readonly<Record<string, string>>
  body: Buffer
}

const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')

/** Percent-encodes all but A-Z a-z 0-9 - . _ ~ */
export function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.codePointAt(0)!.toString(16).toUpperCase()}`)
}

/** The query in the order in which it is signed and sent. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&')
}

/** The headers that make it a signed request: those given, the time, the body's hash, the signature. */
export function signed(request: Unsigned, keys: Keys, now = new Date()): Record<string, string> {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${keys.region}/s3/aws4_request`
  const bodyHash = sha256(request.body)
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': bodyHash,
    'x-amz-date': time,
  }
  const names = Object.keys(headers).toSorted()
  const canonical = [
    ...[request.method, request.path, queryText(request.query)],
    ...names.map((name) => `${name}:${headers[name]!.trim()}`),
    ...['', names.join(';'), bodyHash],
  ].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = [keys.region, 's3', 'aws4_request'].reduce<Buffer>(
    (above, part) => hmac(above, part),
    hmac(`AWS4${keys.secretKey}`, time.slice(0, 8)),
  )
  const signature = hmac(key, toSign).toString('hex')
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKey}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}
