import type { FaultKind } from '#lib/fault.ts'

/**
 * What each status is called. Not imported: an `import` of node:http looks at all that it exports, and with that loads fetch
 * and WebSocket, 4 MB that no server needs.
 */
export const { STATUS_CODES: statusNames } = process.getBuiltinModule('node:http')

/** The usual status of each kind of fault. */
export const statusOf: Readonly<Record<FaultKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  notAcceptable: 406,
  conflict: 409,
  gone: 410,
  preconditionFailed: 412,
  tooLarge: 413,
  overQuota: 413,
  unsupportedMedia: 415,
  badRange: 416,
  tooMany: 429,
  notImplemented: 501,
  noCapacity: 503,
  unavailable: 503,
  noSpace: 507,
}
