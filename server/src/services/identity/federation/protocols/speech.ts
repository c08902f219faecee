// What a request says of how a protocol is spoken.
import type { Static } from 'typebox'
import { invalid } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { type OidcFields, oidcKind, oidcSettings, readOidc } from '../oidc/settings.ts'
import { readSaml, type SamlFields, samlKind } from '../saml/settings.ts'
import { openProtocolSecret, type Protocol, type Speech } from './model.ts'

export interface SpeechFields {
  oidc?: Static<typeof OidcFields> | null
  saml?: Static<typeof SamlFields> | null
}

/** undefined: nothing changes; null: it is no longer spoken. Throws invalid. */
export async function readSpeech(
  { db, config }: Pick<World, 'db' | 'config'>,
  { oidc, saml }: SpeechFields,
  row: Protocol | undefined,
): Promise<Speech | null | undefined> {
  if (oidc && saml) return invalid('A protocol is spoken in one way: it has oidc or saml, not both.')
  if (saml) return readSaml(config, saml)
  if (oidc) {
    const settings = row && oidcSettings(row)
    return readOidc(config, oidc, settings && { settings, secret: await openProtocolSecret(db, row) })
  }
  const ended = [oidc === null && oidcKind, saml === null && samlKind]
  return row && ended.includes(row.kind ?? '') ? null : undefined
}
