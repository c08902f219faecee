// What a provider says as attributes for mappings. Those that were written for Keystone behind Apache know some by other names:
// mod_auth_mellon's `MELLON_…`, and Shibboleth's `Shib-Identity-Provider`.
import type { Attributes } from '../mappings/engine.ts'

/** `said` has the subject as `NameID` and the provider's own name as `issuer`. */
export function attributesOf(said: Attributes): Attributes {
  const attributes = new Map(said)
  // behind all of them, so that no attribute can be named like another one's other name
  for (const [name, values] of said) attributes.set(`MELLON_${name}`, values)
  for (const [alias, name] of aliases) {
    const values = said.get(name)
    if (values) attributes.set(alias, values)
    else attributes.delete(alias)
  }
  return attributes
}

const aliases = [
  ['MELLON_IDP', 'issuer'],
  ['Shib-Identity-Provider', 'issuer'],
  ['MELLON_NAME_ID', 'NameID'],
  ['REMOTE_USER', 'NameID'],
] as const
