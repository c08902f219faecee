// Errors that are nobody's bug: what was thrown below, turned into the Fault that it means for the client.
import type { IncomingMessage } from 'node:http'
import { isDatabaseAway, sqlState } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'

const ofValues = new Set(['22003', '22007', '22008', '22021', '22P02', '22P05'])

/** Undefined for what is a bug. */
export function faultOf(error: unknown, request: IncomingMessage): Fault | undefined {
  if (error instanceof Fault) return error
  const more = { cause: error }
  if (isDatabaseAway(error))
    return new Fault('unavailable', 'The database is not available; try again in a moment.', more)
  if (sqlState(error) === '53100') return new Fault('noSpace', 'There is not enough space left in the database.', more)
  if (request.destroyed && !request.complete)
    return new Fault('invalid', 'The request ended before its body was complete.', more)
  const code = sqlState(error)
  // what the database refuses because of the request's values (a number too large, a date that is none) is the client's
  if (code !== undefined && ofValues.has(code))
    return new Fault('invalid', 'A value in the request is out of range or of the wrong form.', more)
  // a row that was looked at was removed, or one like it made, before this request's own write
  if (code === '23503' || code === '23505')
    return new Fault('conflict', 'Something else was changed at the same moment; look again, then try again.', more)
  return undefined
}

/** What Fastify itself refuses before a route is asked: a content type or a length that cannot be read. */
export function frameworkFault(error: unknown): Fault | undefined {
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return undefined
  return new Fault(statusCode === 415 ? 'unsupportedMedia' : 'invalid', `The request cannot be read: ${message}.`)
}
