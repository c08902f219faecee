// What a user or the world may cause. Everything else that is thrown is a bug: a 500 and an alarm.

/** The closed list of kinds. `lib/http` turns a kind into a status, a service's manifest may choose another one. */
export type FaultKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'overQuota'
  | 'noCapacity'
  | 'noSpace'
  | 'unavailable'
  | 'tooLarge'
  | 'notAcceptable'
  | 'unsupportedMedia'
  | 'methodNotAllowed'
  | 'gone'
  | 'badRange'
  | 'preconditionFailed'
  | 'notImplemented'
  | 'tooMany'

export class Fault extends Error {
  readonly kind: FaultKind
  /** A stable name for programs, where the API has one (Neutron's `type`, Placement's `code`). */
  readonly code: string | undefined
  /** More for the reader: what could be tried, which hosts refused. JSON. */
  readonly details: unknown

  constructor(kind: FaultKind, message: string, more: { code?: string; details?: unknown; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'Fault'
    this.kind = kind
    this.code = more.code
    this.details = more.details
  }
}

type More = { code?: string; details?: unknown; cause?: unknown }

export function invalid(message: string, more?: More): never {
  throw new Fault('invalid', message, more)
}
export function forbidden(message: string, more?: More): never {
  throw new Fault('forbidden', message, more)
}
/** `what` is the noun ('Server'), `id` what was asked for. */
export function notFound(what: string, id: string, more?: More): never {
  throw new Fault('notFound', `${what} ${id} could not be found.`, {
    code: `${what.replaceAll(' ', '')}NotFound`,
    ...more,
  })
}
export function conflict(message: string, more?: More): never {
  throw new Fault('conflict', message, more)
}
export function overQuota(message: string, more?: More): never {
  throw new Fault('overQuota', message, { code: 'OverQuota', ...more })
}
export function noCapacity(message: string, more?: More): never {
  throw new Fault('noCapacity', message, more)
}
export function unavailable(message: string, more?: More): never {
  throw new Fault('unavailable', message, more)
}
export function unauthenticated(message = 'The request you have made requires authentication.', more?: More): never {
  throw new Fault('unauthenticated', message, more)
}

/** For what cannot be: an invariant of our own is broken. */
export function bug(message: string): never {
  throw new Error(message)
}
