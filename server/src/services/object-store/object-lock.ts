// Object lock: versions that cannot be removed before their time. Pure.
import { Fault } from '#lib/fault.ts'
import type { ContainerLock, ObjectLock } from './model.ts'

const dayMs = 86_400_000

/** The lock of an object that says nothing of its own. */
export function defaultLock(lock: ContainerLock | null, now: Date): ObjectLock | null {
  if (!lock?.rule) return null
  return { mode: lock.rule.mode, until: new Date(now.getTime() + lock.rule.days * dayMs).toISOString() }
}

export function isLocked(lock: ObjectLock | null | undefined, now: Date, bypassGovernance = false): boolean {
  if (!lock) return false
  if (lock.hold) return true
  if (lock.until === undefined || new Date(lock.until) <= now) return false
  return !(lock.mode === 'GOVERNANCE' && bypassGovernance)
}

/** Throws forbidden for a version that may not be removed. `bypassGovernance`: who removes it may, where it is locked that way. */
export function requireUnlocked(lock: ObjectLock | null | undefined, bypassGovernance: boolean): void {
  if (isLocked(lock, new Date(), bypassGovernance))
    throw new Fault('forbidden', 'Access Denied because object protected by object lock.', { code: 'AccessDenied' })
}

/** Whether a lock may take the place of another: a compliance lock only grows, a governance lock shrinks for those who may. */
export function mayChange(from: ObjectLock | null, to: ObjectLock, now: Date, bypassGovernance: boolean): boolean {
  if (!from?.until || new Date(from.until) <= now) return true
  const longer = to.until !== undefined && new Date(to.until) >= new Date(from.until)
  if (from.mode === 'COMPLIANCE') return longer && to.mode === 'COMPLIANCE'
  return longer || bypassGovernance
}
