// What a provider says of itself (OpenID Connect Discovery 1.0), and its keys. Both are kept for a while.
import type { JWTVerifyGetKey } from 'jose'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Config } from '#lib/config.ts'
import { refuse } from '../auth/refusal.ts'
import { askProvider } from './http.ts'

const Address = Type.String({ maxLength: 2048 })
const Texts = Type.Optional(Type.Array(Type.String()))
const Metadata = Type.Object({
  issuer: Type.String(),
  authorization_endpoint: Type.Optional(Address),
  token_endpoint: Type.Optional(Address),
  userinfo_endpoint: Type.Optional(Address),
  introspection_endpoint: Type.Optional(Address),
  jwks_uri: Address,
  token_endpoint_auth_methods_supported: Texts,
  introspection_endpoint_auth_methods_supported: Texts,
  authorization_response_iss_parameter_supported: Type.Optional(Type.Boolean()),
})
const check = Compile(Metadata)

export interface Metadata {
  issuer: string
  authorizationEndpoint: string | undefined
  tokenEndpoint: string | undefined
  userinfoEndpoint: string | undefined
  introspectionEndpoint: string | undefined
  authMethods: readonly string[]
  introspectionAuthMethods: readonly string[]
  /** It names itself in what it sends a browser back with. */
  namesItself: boolean
  keys: JWTVerifyGetKey
}

interface Kept {
  metadata: Promise<Metadata>
  untilMs: number
}
const kept = new Map<string, Kept>()
const mostKept = 1000
const keepMs = 600_000
/** A provider that is away is not asked again by everybody who comes. */
const keepFailureMs = 3000

/** Refuses when the provider is away or says something else than what it was kept for. */
export function readMetadata(config: Config, issuer: string): Promise<Metadata> {
  const known = kept.get(issuer)
  if (known && known.untilMs > Date.now()) return known.metadata
  if (kept.size >= mostKept) kept.clear()
  const metadata = fetchMetadata(config, issuer)
  const entry = { metadata, untilMs: Date.now() + keepMs }
  kept.set(issuer, entry)
  metadata.catch(() => {
    entry.untilMs = Date.now() + keepFailureMs
  })
  return metadata
}

async function fetchMetadata(config: Config, issuer: string): Promise<Metadata> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { status, json } = await askProvider(config, { url })
  if (status !== 200 || !check.Check(json)) return refuse(`${url} answers ${status} and is not a provider's metadata.`)
  if (json.issuer !== issuer) return refuse(`${url} is of another issuer: ${json.issuer}.`)
  // who is reached safely may not send us where that is not so
  if (issuer.startsWith('https:'))
    for (const [name, value] of Object.entries(json))
      if (/_(endpoint|uri)$/.test(name) && typeof value === 'string' && !value.startsWith('https:'))
        return refuse(`${url} names ${name} without https.`)
  return {
    issuer,
    authorizationEndpoint: json.authorization_endpoint,
    tokenEndpoint: json.token_endpoint,
    userinfoEndpoint: json.userinfo_endpoint,
    introspectionEndpoint: json.introspection_endpoint,
    authMethods: json.token_endpoint_auth_methods_supported ?? ['client_secret_basic'],
    introspectionAuthMethods: json.introspection_endpoint_auth_methods_supported ??
      json.token_endpoint_auth_methods_supported ?? ['client_secret_basic'],
    namesItself: json.authorization_response_iss_parameter_supported ?? false,
    keys: await keysAt(config, json.jwks_uri),
  }
}

async function keysAt(config: Config, url: string): Promise<JWTVerifyGetKey> {
  const { createRemoteJWKSet, customFetch } = await import('jose')
  const parsed = URL.parse(url)
  if (!parsed) return refuse(`The provider's jwks_uri '${url.slice(0, 200)}' is not an address.`)
  return createRemoteJWKSet(parsed, {
    async [customFetch](at: string) {
      const { status, text } = await askProvider(config, { url: at })
      return new Response(text, { status })
    },
  })
}
