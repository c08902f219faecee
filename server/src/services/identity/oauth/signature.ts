// Signatures of OAuth 1.0a (RFC 5849, section 3.4): HMAC over method, address and parameters.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { QueryValues } from '#lib/http/route.ts'

const algorithms: Record<string, string> = { 'HMAC-SHA1': 'sha1', 'HMAC-SHA256': 'sha256' }

/** Percent encoding of RFC 3986: only letters, digits and -._~ stay. */
export const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.codePointAt(0)!.toString(16).toUpperCase()}`)

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The parameters of `Authorization: OAuth …`; empty without such a header. */
export function oauthParameters(headers: IncomingHttpHeaders): Record<string, string> {
  const [, list] = /^OAuth\s+(.*)$/is.exec(headers.authorization ?? '') ?? []
  const parameters: Record<string, string> = {}
  for (const part of (list ?? '').split(',')) {
    const [, name, value] = /^\s*([^=\s]+)="?([^"]*)"?\s*$/.exec(part) ?? []
    if (name !== undefined && value !== undefined) parameters[decode(name)] = decode(value)
  }
  return parameters
}

export interface SignedRequest {
  method: string
  /** As the client calls it, without a query. */
  url: string
  query: QueryValues
  parameters: Readonly<Record<string, string>>
}

/** What the two secrets make of a request; undefined for a method of signing that is not supported. */
export function oauthSignature(
  request: SignedRequest,
  consumerSecret: string,
  tokenSecret: string,
): string | undefined {
  const algorithm = algorithms[request.parameters['oauth_signature_method'] ?? '']
  if (algorithm === undefined) return undefined
  const pairs = [
    ...Object.entries(request.parameters).filter(([name]) => name !== 'oauth_signature' && name !== 'realm'),
    ...Object.entries(request.query).flatMap(([name, value]) =>
      [value].flat().map((each): [string, string] => [name, each]),
    ),
  ].map(([name, value]) => [encode(name), encode(value)] as const)
  pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0))
  const { protocol, host, pathname } = new URL(request.url)
  const base = [
    request.method.toUpperCase(),
    `${protocol}//${host}${pathname}`,
    pairs.map((pair) => pair.join('=')).join('&'),
  ]
  return createHmac(algorithm, `${encode(consumerSecret)}&${encode(tokenSecret)}`)
    .update(base.map(encode).join('&'))
    .digest('base64')
}

/** Whether these secrets made the request's signature. */
export function isSigned(request: SignedRequest, consumerSecret: string, tokenSecret: string): boolean {
  const wanted = oauthSignature(request, consumerSecret, tokenSecret)
  const given = Buffer.from(request.parameters['oauth_signature'] ?? '')
  return wanted !== undefined && given.length === wanted.length && timingSafeEqual(given, Buffer.from(wanted))
}
