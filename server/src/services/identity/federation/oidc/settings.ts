// What has to be known of an OpenID Connect provider. It stands as `oidc` in a protocol, beside Keystone's own fields.
import { type Static, Type } from 'typebox'
import type { Config } from '#lib/config.ts'
import { invalid } from '#lib/fault.ts'
import { mayBePlain } from '../addresses.ts'
import type { Protocol, Speech } from '../protocols/model.ts'

export const oidcKind = 'oidc'

const Texts = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { maxItems: 50, uniqueItems: true })
const shown = {
  /** As the provider names itself; its metadata is below it. */
  issuer: Type.String({ minLength: 1, maxLength: 255 }),
  client_id: Type.String({ minLength: 1, maxLength: 255 }),
  /** What a browser's sign-in asks for. */
  scopes: Type.Optional(Texts),
  /** For whom a bearer token may be meant; without it, for the client. */
  audiences: Type.Optional(Texts),
  /**
   * How a token that is no JWT is looked at. The provider's userinfo shows whose it is, but not for whom: with it the tokens of
   * all clients of the provider are good here.
   */
  opaque_tokens: Type.Optional(Type.Enum(['introspection', 'userinfo'])),
  /** Whether the provider is asked for more than the tokens say; without it, where that is usual. */
  userinfo: Type.Optional(Type.Boolean()),
}
const Shown = Type.Object(shown)
export type OidcSettings = Static<typeof Shown>
export const OidcFields = Type.Object(
  { ...shown, client_secret: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 1024 }), Type.Null()])) },
  { additionalProperties: false },
)

const defaultScopes = ['openid', 'email', 'profile']

/** A secret that is not said again is kept, as long as it goes to the same provider. Throws invalid for an issuer that is no address. */
export function readOidc(
  config: Config,
  given: Static<typeof OidcFields>,
  before: { settings: OidcSettings; secret: string | undefined } | undefined,
): Speech {
  const { client_secret: secret, ...settings } = given
  requireIssuer(config, settings.issuer)
  const scopes = settings.scopes ?? defaultScopes
  if (!scopes.includes('openid')) invalid('Invalid oidc: scopes must have openid among them.')
  const keeps = secret === undefined && before?.settings.issuer === settings.issuer
  return {
    kind: oidcKind,
    settings: { ...settings, scopes },
    secret: secret ?? (keeps ? before.secret : undefined),
  }
}

export function oidcSettings({ kind, settings }: Pick<Protocol, 'kind' | 'settings'>): OidcSettings | undefined {
  return kind === oidcKind ? (settings as unknown as OidcSettings) : undefined
}

function requireIssuer(config: Config, issuer: string): void {
  const url = URL.parse(issuer)
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    return invalid(
      `Invalid oidc: the issuer '${issuer.slice(0, 100)}' is not an address such as https://id.example.org.`,
    )
  if (!mayBePlain(config, url))
    invalid('Invalid oidc: the issuer must be reached by https (see the setting plainProviders).')
}
