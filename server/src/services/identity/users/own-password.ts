import type { Config } from '#lib/config.ts'
import { desc, eq } from '#lib/db.ts'
import { invalid, unauthenticated } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { change } from '../change.ts'
import { readOnly } from '../directories/search.ts'
import { verifyByDirectory } from '../directories/sign-in.ts'
import { password } from '../model.ts'
import { failSignIn, findSignIn, requirePatience, stillOpen } from './sign-in.ts'
import { changePassword, type NewPassword } from './model.ts'
import { keptPasswords, passwordEnd, requireChangeable, requireForm } from './password-rules.ts'
import { hashPassword, verifyPassword } from './password.ts'

/** A password as it is kept. Throws invalid for one that does not have the required form. */
export async function newPassword(
  config: Config,
  text: string,
  options: Readonly<Record<string, unknown>>,
  setBy: 'user' | 'admin',
): Promise<NewPassword> {
  requireForm(config, text)
  return {
    hash: await hashPassword(text),
    expiresAt: passwordEnd(config, options, setBy),
    kept: keptPasswords(config),
  }
}

/**
 * A user's own change of password, proved by the old one, even if that has expired. Throws unauthenticated, the same for
 * an unknown user, a disabled one and a wrong password, and counts as a failed sign-in then; invalid when the password is
 * locked or the new one breaks a rule; forbidden when a directory keeps it.
 */
export async function changeOwnPassword(
  world: World,
  address: string,
  userId: string,
  old: string,
  next: string,
): Promise<void> {
  const { db, config } = world
  const found = await findSignIn(world, address, { id: userId })
  requirePatience(config, found)
  const directory = await world.directories.of(found.domainId)
  if (directory) {
    const proof = { who: { id: userId }, password: old, before: found }
    const { right, signIn } = await verifyByDirectory(world, directory, address, proof)
    if (right) return readOnly()
    await failSignIn(world, address, signIn)
    return unauthenticated()
  }
  const right = await verifyPassword(old, found.open ? found.hash : undefined)
  const { user } = found
  if (!user || !right || !(await stillOpen(world, address, found)).open) {
    await failSignIn(world, address, found)
    return unauthenticated()
  }
  if (user.options['lock_password'] === true) invalid('The password of this user is locked: it cannot be changed.')
  if (old === next) invalid('The new password must be different from the old one.')
  const kept = await db
    .select({ hash: password.hash, createdAt: password.createdAt, expiresAt: password.expiresAt })
    .from(password)
    .where(eq(password.userId, userId))
    .orderBy(desc(password.id))
    .limit(keptPasswords(config))
  await requireChangeable(config, kept, next)
  const fresh = await newPassword(config, next, user.options, 'user')
  await change(db, (tx) => changePassword(tx, userId, fresh))
}
