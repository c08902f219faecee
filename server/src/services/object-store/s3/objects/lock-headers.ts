// Object lock in the headers of S3.
import type { ContainerLock, LockMode, ObjectLock } from '../../model.ts'
import { defaultLock } from '../../object-lock.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'

const longestMs = 100 * 365 * 86_400_000

/** Throws InvalidRequest for a bucket whose versions cannot be locked. */
export function requireLocking({ bucket }: BucketRequest): ContainerLock {
  return bucket.container.objectLock ?? refuse('InvalidRequest', 'Bucket is missing Object Lock Configuration')
}

/** The lock that a request asks for; null: what the bucket gives. Throws for what cannot be. */
export function readLockHeaders(request: BucketRequest, now = new Date()): ObjectLock | null {
  const header = (name: string) => request.header(`x-amz-object-lock-${name}`)
  const [mode, until, hold] = [header('mode'), header('retain-until-date'), header('legal-hold')]
  const { objectLock } = request.bucket.container
  if (mode === undefined && until === undefined && hold === undefined) return null
  requireLocking(request)
  if ((mode === undefined) !== (until === undefined))
    refuse('InvalidArgument', 'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied')
  const retention = mode === undefined ? defaultLock(objectLock, now) : readRetention(mode, until)
  return { ...retention, ...(hold !== undefined && readHold(hold) && { hold: true }) }
}

/** Throws MalformedXML and InvalidArgument. */
export function readRetention(mode: string | undefined, until: string | undefined): { mode: LockMode; until: string } {
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') refuse('MalformedXML', 'Unknown wormMode directive.')
  const at = new Date(until ?? '')
  if (Number.isNaN(at.getTime())) refuse('MalformedXML')
  const ahead = at.getTime() - Date.now()
  if (ahead <= 0) refuse('InvalidArgument', 'The retain until date must be in the future!')
  if (ahead > longestMs) refuse('InvalidArgument', 'The retain until date is more than a hundred years ahead.')
  return { mode, until: at.toISOString() }
}

/** Throws MalformedXML. */
export function readHold(status: string | undefined): boolean {
  if (status !== 'ON' && status !== 'OFF') refuse('MalformedXML')
  return status === 'ON'
}

/** What the lock of an object says in headers. */
export function lockHeaders(lock: ObjectLock | null): Record<string, string> {
  if (!lock) return {}
  return {
    ...(lock.mode && { 'x-amz-object-lock-mode': lock.mode }),
    ...(lock.until && { 'x-amz-object-lock-retain-until-date': lock.until }),
    ...(lock.hold && { 'x-amz-object-lock-legal-hold': 'ON' }),
  }
}
