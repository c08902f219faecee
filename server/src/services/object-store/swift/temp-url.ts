// Signed URLs: who knows a key of the account or the container lets others in, for a while, to one object or a prefix.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import { refuse } from './answer.ts'
import type { State } from './load.ts'
import type { SwiftRequest } from './request.ts'

export const digests = ['sha256', 'sha512'] as const
export type Digest = (typeof digests)[number]

/** The keys that sign for this place: of the account, and of the container. */
export function signingKeys(state: State): string[] {
  return [state.accountMetadata, state.container?.metadata ?? {}]
    .flatMap((metadata) => [metadata['temp-url-key'], metadata['temp-url-key-2']])
    .filter((key): key is string => key !== undefined && key !== '')
}

/** hex, or `sha256:` and base64. */
export function readSignature(text: string): { digest: Digest; bytes: Buffer } | undefined {
  const named = /^(sha256|sha512):([A-Za-z0-9+/_-]+={0,2})$/.exec(text)
  if (named)
    return {
      digest: named[1] as Digest,
      bytes: Buffer.from(named[2]!.replaceAll('-', '+').replaceAll('_', '/'), 'base64'),
    }
  if (/^[0-9a-f]{64}$/i.test(text)) return { digest: 'sha256', bytes: Buffer.from(text, 'hex') }
  if (/^[0-9a-f]{128}$/i.test(text)) return { digest: 'sha512', bytes: Buffer.from(text, 'hex') }
  return undefined
}

/** Whether one of the keys made this signature of one of the texts. */
export function isSigned(keys: string[], texts: string[], signature: { digest: Digest; bytes: Buffer }): boolean {
  return keys.some((key) =>
    texts.some((text) => {
      const made = createHmac(signature.digest, key).update(text).digest()
      return made.length === signature.bytes.length && timingSafeEqual(made, signature.bytes)
    }),
  )
}

/** What a signature in the query allows; undefined where there is none. Throws 401 for one that is wrong or too old. */
export function readGrant(sr: SwiftRequest, state: State): 'object' | 'prefix' | undefined {
  const [text, expiry] = [sr.param('temp_url_sig'), sr.param('temp_url_expires')]
  if (text === undefined && expiry === undefined) return undefined
  const fail = (): never => refuse(401, 'Temp URL invalid')
  if (text === undefined || expiry === undefined || sr.object === undefined) return fail()
  const expires = /^\d+$/.test(expiry) ? Number(expiry) : Math.floor(Date.parse(expiry) / 1000)
  const signature = readSignature(text)
  if (!signature || !(expires * 1000 > Date.now())) return fail()
  const prefix = sr.param('temp_url_prefix')
  if (prefix !== undefined && !sr.object.startsWith(prefix)) return fail()
  const range = sr.param('temp_url_ip_range')
  if (range !== undefined && !isWithin(range, sr.req.remoteAddress)) return fail()
  // who may get may look; who may put or post may look too
  const methods = sr.method === 'HEAD' ? ['HEAD', 'GET', 'PUT', 'POST'] : [sr.method]
  const paths = sr
    .signedPaths()
    .map((path) => (prefix === undefined ? path : `prefix:${path.slice(0, path.length - sr.object!.length)}${prefix}`))
  const head = range === undefined ? '' : `ip=${range}\n`
  const texts = methods.flatMap((method) => paths.map((path) => `${head}${method}\n${expires}\n${path}`))
  if (!isSigned(signingKeys(state), texts, signature)) return fail()
  return prefix === undefined ? 'object' : 'prefix'
}

function isWithin(range: string, address: string): boolean {
  const [base = '', bits] = range.split('/')
  const version = isIP(base)
  if (version === 0) return false
  const list = new BlockList()
  const family = version === 6 ? 'ipv6' : 'ipv4'
  const length = bits === undefined ? (version === 6 ? 128 : 32) : Number(bits)
  if (!(length >= 0 && length <= (version === 6 ? 128 : 32))) return false
  list.addSubnet(base, length, family)
  const own = address.replace(/^::ffff:/, '')
  return list.check(own, isIP(own) === 6 ? 'ipv6' : 'ipv4')
}

/** Browsers are to save what a signed URL gives, not to show it. */
export function disposition(sr: SwiftRequest, own: string | undefined): string | undefined {
  if (sr.param('inline') !== undefined && sr.param('filename') === undefined) return 'inline'
  const kind = sr.param('inline') === undefined ? 'attachment' : 'inline'
  const asked = sr.param('filename')
  if (asked === undefined && own !== undefined) return own
  const name = asked ?? sr.object!.split('/').findLast((part) => part !== '') ?? 'object'
  const plain = encodeURIComponent(name).replaceAll("'", '%27')
  return `${kind}; filename="${name.replaceAll(/[^ !#-[\]-~]/g, '_')}"; filename*=UTF-8''${plain}`
}
