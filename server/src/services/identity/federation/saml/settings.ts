// What has to be known of a SAML identity provider. It stands as `saml` in a protocol, beside Keystone's own fields; nothing of
// it is secret.
import { X509Certificate } from 'node:crypto'
import { type Static, Type } from 'typebox'
import type { Config } from '#lib/config.ts'
import { invalid } from '#lib/fault.ts'
import { mayBePlain } from '../addresses.ts'
import type { Protocol, Speech } from '../protocols/model.ts'

export const samlKind = 'saml'

// SAML 2.0 core, 8.3.6
const EntityId = Type.String({ minLength: 1, maxLength: 1024 })
export const SamlFields = Type.Object(
  {
    /** As the provider names itself. */
    entity_id: EntityId,
    /** Where browsers are sent (single sign-on service, HTTP-Redirect binding). */
    sso_url: Type.String({ minLength: 1, maxLength: 2048 }),
    /** Of the keys that the provider signs with, as PEM or in base64 alone, as its metadata has them. */
    certificates: Type.Array(Type.String({ maxLength: 16_384 }), { minItems: 1, maxItems: 10 }),
    /** As the provider knows us; without it, the address of our metadata. */
    sp_entity_id: Type.Optional(EntityId),
    /** How far the provider's clock may be from ours. */
    clock_skew_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 300 })),
  },
  { additionalProperties: false },
)
export type SamlSettings = Static<typeof SamlFields>

/** Throws invalid for what nobody could sign in with. */
export function readSaml(config: Config, given: SamlSettings): Speech {
  requireAddress(config, given.sso_url)
  const certificates = given.certificates.map(readCertificate)
  return { kind: samlKind, settings: { ...given, certificates }, secret: undefined }
}

export function samlSettings({ kind, settings }: Pick<Protocol, 'kind' | 'settings'>): SamlSettings | undefined {
  return kind === samlKind ? (settings as unknown as SamlSettings) : undefined
}

function requireAddress(config: Config, address: string): void {
  const url = URL.parse(address)
  if (!url || !/^https?:$/.test(url.protocol) || url.hash || url.username)
    return invalid(
      `Invalid saml: the sso_url '${address.slice(0, 100)}' is not an address such as https://id.example.org/saml/sso.`,
    )
  if (!mayBePlain(config, url))
    invalid('Invalid saml: the sso_url must be reached by https (see the setting plainProviders).')
}

const base64 = /^[A-Za-z0-9+/=\s]+$/
const pem = /^\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/
const leastBits = 2048

/** The certificate as PEM. Throws invalid for what is none, and for a key whose signatures are not accepted. */
function readCertificate(text: string): string {
  const found = parseCertificate(text)
  if (!found)
    return invalid(
      'Invalid saml: each of certificates must be one certificate, as PEM or in base64 alone, and no more.',
    )
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = found.publicKey
  if (type !== 'rsa' || (details?.modulusLength ?? 0) < leastBits)
    return invalid(
      `Invalid saml: the certificate of ${found.subject} must be of an RSA key of ${leastBits} bits or more.`,
    )
  return found.toString()
}
function parseCertificate(text: string): X509Certificate | undefined {
  if (!base64.test(text) && !pem.test(text)) return undefined
  try {
    return new X509Certificate(base64.test(text) ? Buffer.from(text, 'base64') : text)
  } catch {
    return undefined
  }
}
