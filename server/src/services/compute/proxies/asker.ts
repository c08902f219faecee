import { Fault, invalid, notFound } from '#lib/fault.ts'
import type { Request } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'

/** The last version that has the proxies to other services. */
export const lastProxy = '2.35'

export function askerOf({ actor }: Pick<Request, 'actor'>) {
  return { projectId: actor.projectId ?? '', isAdmin: actor.isAdmin }
}

/** What the network service calls a conflict was a bad request here. */
export function conflictAsInvalid(error: unknown): never {
  if (error instanceof Fault && error.kind === 'conflict') invalid(error.message, { cause: error })
  throw error
}

export function uuidOf(text: string, what: string): string {
  return isUuid(text) ? text.toLowerCase() : notFound(what, text)
}
