// Conditional requests (RFC 9110 §13), in S3's words.
import type { StoredObject } from '../../model.ts'
import type { Before } from '../../store/put.ts'
import { refuse } from '../wire/errors.ts'
import { etagOfObject } from './metadata.ts'
import type { S3Request } from '../wire/request.ts'

const tags = (header: string) => header.split(',').map((each) => each.trim().replace(/^W\//, '').replaceAll('"', ''))
const names = (header: string, etag: string) => tags(header).some((each) => each === '*' || each === etag)

function time(text: string | undefined): number | undefined {
  const value = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(value) ? undefined : value
}

function failed(condition: string): never {
  return refuse('PreconditionFailed', undefined, { Condition: condition })
}

/** Throws PreconditionFailed; NotModified where the client has what it asks for. */
export function requireReadable(request: S3Request, found: { etag: string; modifiedAt: Date }): void {
  const modified = Math.ceil(found.modifiedAt.getTime() / 1000) * 1000
  const [match, noneMatch] = [request.header('if-match'), request.header('if-none-match')]
  const since = time(request.header('if-modified-since'))
  const unmodified = time(request.header('if-unmodified-since'))
  if (match !== undefined && !names(match, found.etag)) failed('If-Match')
  if (match === undefined && unmodified !== undefined && modified > unmodified) failed('If-Unmodified-Since')
  if (noneMatch !== undefined ? names(noneMatch, found.etag) : since !== undefined && modified <= since)
    refuse('NotModified', undefined, { ETag: found.etag })
}

/** The conditions on the source of a copy. Throws PreconditionFailed. */
export function requireCopyable(request: S3Request, found: { etag: string; modifiedAt: Date }): void {
  const header = (name: string) => request.header(`x-amz-copy-source-${name}`)
  const modified = Math.ceil(found.modifiedAt.getTime() / 1000) * 1000
  const [match, noneMatch] = [header('if-match'), header('if-none-match')]
  const [since, unmodified] = [time(header('if-modified-since')), time(header('if-unmodified-since'))]
  if (match !== undefined && !names(match, found.etag)) failed('x-amz-copy-source-If-Match')
  if (match === undefined && unmodified !== undefined && modified > unmodified)
    failed('x-amz-copy-source-If-Unmodified-Since')
  if (noneMatch !== undefined && names(noneMatch, found.etag)) failed('x-amz-copy-source-If-None-Match')
  if (noneMatch === undefined && since !== undefined && modified <= since) failed('x-amz-copy-source-If-Modified-Since')
}

/** What a write asks of the object that is there, when it asks anything. Throws NotImplemented for other conditions. */
export function readWriteCondition(request: S3Request): Before | undefined {
  const [match, noneMatch] = [request.header('if-match'), request.header('if-none-match')]
  if (match === undefined && noneMatch === undefined) return undefined
  if (noneMatch !== undefined && noneMatch.trim() !== '*')
    refuse('NotImplemented', 'Of If-None-Match a write takes only *.', { Header: 'If-None-Match' })
  return (now: StoredObject | undefined) => {
    if (noneMatch !== undefined && now) failed('If-None-Match')
    if (match === undefined) return
    if (!now) refuse('NoSuchKey')
    if (!names(match, etagOfObject(now))) failed('If-Match')
  }
}
