import { oidc } from '../oidc/kind.ts'
import type { ProtocolKind } from './kind.ts'
import type { Spoken } from './sign-in.ts'

/** The kinds of protocols that this program speaks, by the names that `protocol.kind` has. */
const kinds: Readonly<Record<string, ProtocolKind>> = { oidc }

/** undefined for a protocol that it does not speak. */
export function kindOf({ protocol }: Spoken): ProtocolKind | undefined {
  return protocol.kind === null ? undefined : kinds[protocol.kind]
}
