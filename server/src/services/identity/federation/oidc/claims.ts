// A provider's claims as attributes for mappings. Those that were written for Keystone behind Apache's mod_auth_openidc know
// them by other names, so each claim has all of them: `email`, `OIDC-email`, `OIDC_CLAIM_email`, `HTTP_OIDC_EMAIL`,
// `HTTP_OIDC_CLAIM_EMAIL`.
import type { Attributes } from '../mappings/engine.ts'

export type Claims = Readonly<Record<string, unknown>>

const deepest = 4

/** Lists are several values; what is in an object has its path as name (`realm_access.roles`), and the object is JSON. */
export function attributesOf(claims: Claims): Attributes {
  const plain = new Map<string, string[]>()
  for (const [name, value] of Object.entries(claims)) add(plain, name, value, 0)
  const attributes = new Map<string, string[]>(plain)
  // behind all of them, so that no claim can be named like another one's other name
  for (const [name, values] of plain) for (const alias of aliases(name)) attributes.set(alias, values)
  const user = remoteUser(claims)
  if (user !== undefined) attributes.set('REMOTE_USER', [user])
  else attributes.delete('REMOTE_USER')
  return attributes
}

function aliases(name: string): string[] {
  const shouted = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
  return [`OIDC-${name}`, `OIDC_CLAIM_${name}`, `HTTP_OIDC_${shouted}`, `HTTP_OIDC_CLAIM_${shouted}`]
}

const isPlain = (value: unknown) => typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

function add(attributes: Map<string, string[]>, name: string, value: unknown, depth: number): void {
  if (value === null || value === undefined) return
  if (isPlain(value)) attributes.set(name, [String(value)])
  else if (Array.isArray(value))
    attributes.set(name, value.every(isPlain) ? value.map(String) : [JSON.stringify(value)])
  else {
    attributes.set(name, [JSON.stringify(value)])
    if (depth < deepest)
      for (const [key, inner] of Object.entries(value)) add(attributes, `${name}.${key}`, inner, depth + 1)
  }
}

/** As mod_auth_openidc names a user: `subject@issuer`, without the scheme. */
function remoteUser({ sub, iss }: Claims): string | undefined {
  if (typeof sub !== 'string') return undefined
  return typeof iss === 'string' ? `${sub}@${iss.replace(/^https?:\/\//, '')}` : sub
}
