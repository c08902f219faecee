// OpenID Connect as a kind of protocol: bearer tokens for clients, the code flow for browsers.
import { createHash, randomBytes } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { one } from '#lib/http/page.ts'
import type { World } from '#lib/world.ts'
import type { ProtocolKind } from '../auth/kind.ts'
import { refuse } from '../auth/refusal.ts'
import type { Spoken } from '../auth/sign-in.ts'
import { openProtocolSecret } from '../protocols/model.ts'
import { attributesOf } from './claims.ts'
import { askProvider } from './http.ts'
import { type Metadata, readMetadata } from './metadata.ts'
import { oidcSettings } from './settings.ts'
import { authenticated, type Client, verifyBearer, verifyIdToken, withUserinfo } from './verify.ts'

async function clientOf({ db, config }: World, { protocol }: Spoken): Promise<Client> {
  const settings = oidcSettings(protocol)
  if (!settings) return refuse(`The protocol ${protocol.id} has no OpenID Connect provider.`)
  return { config, settings, secret: await openProtocolSecret(db, protocol) }
}

export const oidc: ProtocolKind = {
  isPosted: false,
  async attributesOf(world, spoken, { headers }) {
    const [, token] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (token === undefined) return refuse('There is no bearer token.')
    return attributesOf(await verifyBearer(await clientOf(world, spoken), token))
  },
  async departure(world, spoken, { id, returnUrl }) {
    const { settings, config } = await clientOf(world, spoken)
    const { authorizationEndpoint } = await readMetadata(config, settings.issuer)
    const url = URL.parse(authorizationEndpoint ?? '')
    if (!url) return refuse('The provider has no authorization endpoint.')
    // PKCE (RFC 7636): only who began can use the code that comes back
    const verifier = randomBytes(32).toString('base64url')
    const nonce = randomBytes(16).toString('base64url')
    const parameters = {
      response_type: 'code',
      client_id: settings.client_id,
      redirect_uri: returnUrl,
      scope: (settings.scopes ?? ['openid']).join(' '),
      state: id,
      nonce,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return { location: url.href, own: { verifier, nonce } }
  },
  async readAnswer({ query }) {
    const fields = { code: one(query, 'code'), issuer: one(query, 'iss'), error: one(query, 'error') }
    return { id: one(query, 'state') ?? '', fields }
  },
  async arrival(world, spoken, { code, issuer, error }, journey) {
    const client = await clientOf(world, spoken)
    const metadata = await readMetadata(client.config, client.settings.issuer)
    // RFC 9207: an answer of another provider than the one that was asked
    if (issuer !== undefined ? issuer !== metadata.issuer : metadata.namesItself)
      return refuse(`The answer comes from ${issuer ?? 'a provider that does not say so'}.`)
    if (error !== undefined || code === undefined)
      return refuse(`The provider says ${(error ?? 'nothing').slice(0, 100)}.`)
    const { id_token: idToken, access_token: accessToken } = await exchange(client, metadata, code, journey)
    const claims = await verifyIdToken(client, idToken, journey.own['nonce'] ?? '')
    const asks = client.settings.userinfo ?? metadata.userinfoEndpoint !== undefined
    return attributesOf(
      asks && accessToken !== undefined ? await withUserinfo(client, metadata, accessToken, claims) : claims,
    )
  },
}

const Tokens = Compile(Type.Object({ id_token: Type.String(), access_token: Type.Optional(Type.String()) }))

/** The tokens for a code, by which the provider says who signed in there. */
async function exchange(client: Client, metadata: Metadata, code: string, journey: Returned) {
  if (metadata.tokenEndpoint === undefined) return refuse('The provider has no token endpoint.')
  const { status, json } = await askProvider(client.config, {
    url: metadata.tokenEndpoint,
    ...authenticated(client, metadata.authMethods, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: journey.returnUrl,
      code_verifier: journey.own['verifier'] ?? '',
    }),
  })
  if (status === 200 && Tokens.Check(json)) return json
  const { error } = (json ?? {}) as { error?: unknown }
  return refuse(`The provider gives no tokens for the code: ${status} ${String(error ?? '').slice(0, 100)}.`)
}
type Returned = Parameters<ProtocolKind['arrival']>[3]
