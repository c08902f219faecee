// Conditional requests (RFC 9110 §13).
import { refuse } from './answer.ts'
import type { SwiftRequest } from './request.ts'

function tags(header: string): string[] {
  return header.split(',').map((each) => each.trim().replace(/^W\//, '').replaceAll('"', ''))
}

/** True when the reply is 304. Throws 412. */
export function isUnchanged(sr: SwiftRequest, found: { etag: string; modifiedAt: Date }): boolean {
  const etag = found.etag.replaceAll('"', '')
  const modified = Math.ceil(found.modifiedAt.getTime() / 1000) * 1000
  const [match, noneMatch] = [sr.header('if-match'), sr.header('if-none-match')]
  const [since, unmodified] = [time(sr.header('if-modified-since')), time(sr.header('if-unmodified-since'))]
  if (match !== undefined && !tags(match).some((each) => each === '*' || each === etag)) refuse(412)
  if (match === undefined && unmodified !== undefined && modified > unmodified) refuse(412)
  if (noneMatch !== undefined) return tags(noneMatch).some((each) => each === '*' || each === etag)
  return since !== undefined && modified <= since
}

/** Whether a Range header counts: If-Range names what the client has. */
export function rangeHolds(sr: SwiftRequest, found: { etag: string; modifiedAt: Date }): boolean {
  const value = sr.header('if-range')
  if (value === undefined) return true
  const when = time(value)
  if (when !== undefined && /GMT/.test(value)) return Math.ceil(found.modifiedAt.getTime() / 1000) * 1000 <= when
  return value.replaceAll('"', '') === found.etag.replaceAll('"', '')
}

function time(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Date.parse(text)
  return Number.isNaN(value) ? undefined : value
}
