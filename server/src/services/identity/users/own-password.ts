import type { Database } from '#lib/db.ts'
import { desc, eq } from '#lib/db.ts'
import { forbidden, invalid, unauthenticated } from '#lib/fault.ts'
import { change } from '../change.ts'
import { password, user } from '../model.ts'
import { changePassword } from './model.ts'
import { hashPassword, verifyPassword } from './password.ts'

/**
 * A user's own change of password, proved by the old one, even if that has expired. Throws unauthenticated, the same for
 * an unknown user, a disabled one and a wrong password; forbidden when the password is locked.
 */
export async function changeOwnPassword(db: Database, userId: string, old: string, next: string): Promise<void> {
  const [row] = await db
    .select({ enabled: user.enabled, options: user.options, hash: password.hash })
    .from(user)
    .innerJoin(password, eq(password.userId, user.id))
    .where(eq(user.id, userId))
    .orderBy(desc(password.id))
    .limit(1)
  const right = await verifyPassword(old, row?.enabled ? row.hash : undefined)
  if (!row || !right) return unauthenticated()
  if (row.options['lock_password'] === true) forbidden('The password of this user is locked.')
  if (old === next) invalid('The new password must be different from the old one.')
  const hash = await hashPassword(next)
  await change(db, (tx) => changePassword(tx, userId, hash))
}
