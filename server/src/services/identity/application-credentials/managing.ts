import { forbidden } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'

/** Throws forbidden for a token of an application credential or of a consumer that may not make further ways to sign in. */
export function requireManaging({ actor }: Pick<Request, 'actor'>): void {
  if (actor.restricted) forbidden('An application credential that is not unrestricted cannot manage credentials.')
}
/** Throws forbidden for a token that acts by a trust. */
export function requireOwnToken({ actor }: Pick<Request, 'actor'>): void {
  if (actor.trustId !== null) forbidden('A token of a trust cannot manage application credentials.')
}
