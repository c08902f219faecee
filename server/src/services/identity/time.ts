import { invalid } from '#lib/fault.ts'

/** Keystone's time: ISO 8601 with microseconds. */
export function keystoneTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}

/** A moment that a request names. Throws invalid. */
export function readTime(text: string, field: string): Date {
  const form = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`
  const time = new Date(zoned)
  if (!form.test(text) || Number.isNaN(time.getTime()))
    invalid(`Invalid input for field ${field}: '${text.slice(0, 60)}' is not a time such as 2030-01-31T12:00:00Z.`)
  return time
}

/** The same, and it must not be past. */
export function readFutureTime(text: string, field: string): Date {
  const time = readTime(text, field)
  if (time.getTime() <= Date.now()) invalid(`Invalid input for field ${field}: ${text} is past.`)
  return time
}
