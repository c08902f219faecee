// Tokens of a provider, looked at before a word of them is believed.
import type { JWTPayload } from 'jose'
import type { Config } from '#lib/config.ts'
import { refuse } from '../auth/refusal.ts'
import type { Claims } from './claims.ts'
import { askProvider } from './http.ts'
import { type Metadata, readMetadata } from './metadata.ts'
import type { OidcSettings } from './settings.ts'

/** A provider with our client at it. */
export interface Client {
  config: Config
  settings: OidcSettings
  secret: string | undefined
}

/** Signatures that only the provider can make: none by a shared secret, and never none at all. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const clockToleranceSeconds = 30
/** What a token may call itself (RFC 9068, RFC 7519); a logout token, say, is none to sign in by. */
const types = new Set(['', 'jwt', 'at+jwt', 'application/at+jwt'])

async function verified(metadata: Metadata, token: string, audience: readonly string[]): Promise<JWTPayload> {
  const { errors, jwtVerify } = await import('jose')
  try {
    const { payload, protectedHeader } = await jwtVerify(token, metadata.keys, {
      issuer: metadata.issuer,
      audience: [...audience],
      algorithms,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ['exp', 'sub'],
    })
    if (!types.has((protectedHeader.typ ?? '').toLowerCase()))
      return refuse(`A token of the type ${protectedHeader.typ} is none to sign in by.`)
    return payload
  } catch (error) {
    if (error instanceof errors.JOSEError) return refuse('The token is not good', error)
    throw error
  }
}

/** The claims of an ID token that answers `nonce`. Refuses. */
export async function verifyIdToken(client: Client, token: string, nonce: string): Promise<Claims> {
  const { client_id: clientId, issuer } = client.settings
  const claims = await verified(await readMetadata(client.config, issuer), token, [clientId])
  if (claims['nonce'] !== nonce) return refuse('The ID token answers another request.')
  const { azp } = claims
  if (azp !== undefined && azp !== clientId) return refuse('The ID token was made for another client.')
  return claims
}

const jwt = /^[\w-]+\.[\w-]+\.[\w-]*$/

/** The claims of a token that a client brings. Refuses one that is forged, expired, or meant for somebody else. */
export async function verifyBearer(client: Client, token: string): Promise<Claims> {
  const { settings, config } = client
  const metadata = await readMetadata(config, settings.issuer)
  const claims = jwt.test(token)
    ? await verified(metadata, token, audiencesOf(settings))
    : await claimsOfOpaque(client, metadata, token)
  if ('cnf' in claims) return refuse('The token is bound to a key that its bearer does not show.')
  const { scope } = claims
  const usual = !jwt.test(token) && typeof scope === 'string' && scope.split(' ').includes('openid')
  return (settings.userinfo ?? usual) ? withUserinfo(client, metadata, token, claims) : claims
}

const audiencesOf = ({ audiences, client_id: clientId }: OidcSettings) => audiences ?? [clientId]

async function claimsOfOpaque(client: Client, metadata: Metadata, token: string): Promise<Claims> {
  const { settings } = client
  return settings.opaque_tokens === 'userinfo'
    ? withUserinfo(client, metadata, token, { iss: metadata.issuer })
    : introspected(client, metadata, token)
}

/** RFC 7662. */
async function introspected(client: Client, metadata: Metadata, token: string): Promise<Claims> {
  const url = metadata.introspectionEndpoint
  if (url === undefined || client.secret === undefined)
    return refuse(
      'The token is no JWT, and cannot be introspected: that needs an endpoint at the provider and a client_secret.',
    )
  const form = { token, token_type_hint: 'access_token' }
  const { status, json } = await askProvider(client.config, {
    url,
    ...authenticated(client, metadata.introspectionAuthMethods, form),
  })
  const claims = claimsIn(json)
  if (status !== 200 || claims?.['active'] !== true) return refuse(`The provider does not know the token (${status}).`)
  const { iss, aud, client_id: clientId, exp } = claims
  if (iss !== undefined && iss !== metadata.issuer) return refuse('The token is of another issuer.')
  if (typeof exp === 'number' && exp + clockToleranceSeconds < Date.now() / 1000)
    return refuse('The token has expired.')
  const meant = [aud ?? clientId].flat()
  if (!meant.some((each) => typeof each === 'string' && audiencesOf(client.settings).includes(each)))
    return refuse(`The token is meant for ${JSON.stringify(meant)}.`)
  if (typeof claims['sub'] !== 'string' && typeof clientId !== 'string') return refuse('The token is nobody’s.')
  return { ...claims, sub: claims['sub'] ?? clientId, iss: metadata.issuer }
}

/** With what the provider tells the bearer of the token. Refuses when it is about somebody else. */
export async function withUserinfo(
  { config }: Client,
  metadata: Metadata,
  token: string,
  claims: Claims,
): Promise<Claims> {
  if (metadata.userinfoEndpoint === undefined) return refuse('The provider has no userinfo.')
  const { status, json } = await askProvider(config, {
    url: metadata.userinfoEndpoint,
    headers: { authorization: `Bearer ${token}` },
  })
  const more = claimsIn(json)
  if (status !== 200 || typeof more?.['sub'] !== 'string') return refuse(`The provider's userinfo answers ${status}.`)
  if (claims['sub'] !== undefined && claims['sub'] !== more['sub'])
    return refuse('The userinfo is about somebody else.')
  return { ...more, ...claims, sub: more['sub'] }
}

export function claimsIn(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}

/** The form as our client sends it (RFC 6749, 2.3.1). */
export function authenticated(
  { settings: { client_id: clientId }, secret }: Client,
  methods: readonly string[],
  form: Record<string, string>,
): { form: Record<string, string>; headers?: Record<string, string> } {
  if (secret === undefined) return { form: { ...form, client_id: clientId } }
  if (!methods.includes('client_secret_basic') && methods.includes('client_secret_post'))
    return { form: { ...form, client_id: clientId, client_secret: secret } }
  const encoded = [clientId, secret].map((each) => encodeURIComponent(each).replaceAll('%20', '+')).join(':')
  return { form, headers: { authorization: `Basic ${Buffer.from(encoded).toString('base64')}` } }
}
