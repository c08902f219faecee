import { forbidden } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'

/** Throws forbidden for an application credential's token that may not make further ways to sign in. */
export function requireManaging({ actor }: Pick<Request, 'actor'>): void {
  if (actor.applicationCredentialId !== null && actor.restricted)
    forbidden('An application credential that is not unrestricted cannot manage credentials.')
}
/** Throws forbidden for a token that acts by a trust. */
export function requireOwnToken({ actor }: Pick<Request, 'actor'>): void {
  if (actor.trustId !== null) forbidden('A token of a trust cannot manage application credentials.')
}
