// The lock of an object's version: until when it stays, and whether somebody holds it besides.
import type { ObjectLock } from '../../model.ts'
import { mayChange } from '../../object-lock.ts'
import { isAllowed } from '../access/access.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import { readHold, readRetention, requireLocking } from './lock-headers.ts'
import { changeNamed, getNamed, namedHeader } from './change.ts'
import type { BucketRequest, ObjectRequest } from '../wire/request.ts'

export async function getObjectRetention(request: ObjectRequest): Promise<Answer> {
  requireLocking(request)
  const found = await getNamed(request)
  const { mode, until } = found.lock ?? {}
  if (mode === undefined) refuse('NoSuchObjectLockConfiguration')
  return xmlAnswer('Retention', { Mode: mode, RetainUntilDate: until }, namedHeader(request, found))
}

export async function putObjectRetention(request: ObjectRequest): Promise<Answer> {
  requireLocking(request)
  const document = await readXml(request, 'Retention', 1 << 14)
  const wanted: ObjectLock =
    document.names.length === 0
      ? {}
      : readRetention(document.textOf('Mode')?.trim(), document.textOf('RetainUntilDate')?.trim())
  const bypass = await maySkip(request)
  const found = await changeLock(request, (now) => {
    if (!mayChange(now, wanted, new Date(), bypass))
      refuse('AccessDenied', 'The object is locked for longer than that.')
    return { ...wanted, ...(now?.hold && { hold: true }) }
  })
  return { status: 200, headers: namedHeader(request, found) }
}

export async function getObjectLegalHold(request: ObjectRequest): Promise<Answer> {
  requireLocking(request)
  const found = await getNamed(request)
  if (!found.lock) refuse('NoSuchObjectLockConfiguration')
  return xmlAnswer('LegalHold', { Status: found.lock.hold ? 'ON' : 'OFF' }, namedHeader(request, found))
}

export async function putObjectLegalHold(request: ObjectRequest): Promise<Answer> {
  requireLocking(request)
  const hold = readHold((await readXml(request, 'LegalHold', 1 << 14)).textOf('Status')?.trim())
  const found = await changeLock(request, (now) => ({ mode: now?.mode, until: now?.until, hold }))
  return { status: 200, headers: namedHeader(request, found) }
}

async function changeLock(request: ObjectRequest, change: (now: ObjectLock | null) => ObjectLock) {
  return changeNamed(request, 'lock', (now) => change(now.lock))
}

/** Whether who asks says that a governance lock is not to hold them, and may say so. Throws AccessDenied when they may not. */
export async function maySkip(request: BucketRequest, key = request.target.key): Promise<boolean> {
  if (!/^true$/i.test(request.header('x-amz-bypass-governance-retention') ?? '')) return false
  const needs = { permission: 's3:BypassGovernanceRetention', rule: 'account:write' } as const
  return (await isAllowed(request, needs, request.bucket, key)) ? true : refuse('AccessDenied')
}
