import type { ProtocolKind } from './kind.ts'
import type { Spoken } from './sign-in.ts'

/** The kinds of protocols that this program speaks, by the names that `protocol.kind` has: loaded by the first who needs one. */
const kinds: Readonly<Record<string, () => Promise<ProtocolKind>>> = {
  oidc: async () => (await import('../oidc/kind.ts')).oidc,
  saml: async () => (await import('../saml/kind.ts')).saml,
}

/** undefined for a protocol that it does not speak. */
export async function findKind({ protocol }: Spoken): Promise<ProtocolKind | undefined> {
  return protocol.kind === null ? undefined : kinds[protocol.kind]?.()
}
