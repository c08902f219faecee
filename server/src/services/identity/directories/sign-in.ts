// Sign-in of a user whose password a directory keeps: the directory finds them, and tells by a bind whether the password is
// theirs. All else is as for our own: who is locked out or disabled is refused after the same work, failures are counted.
import type { World } from '#lib/world.ts'
import type { Directory } from '../directory.ts'
import { findSignIn, type SignIn, stillOpen, type WhoSignsIn } from '../users/sign-in.ts'
import { loseUser, publicId, seeUsers } from './model.ts'
import { seeUserWithGroups } from './refresh.ts'

/**
 * Whether the password is right, and the state of the one who gave it, which decides whether that is enough. `before` is
 * what is known of them. Throws unavailable when the directory does not answer.
 */
export async function verifyByDirectory(
  world: World,
  directory: Directory,
  address: string,
  asked: { who: WhoSignsIn; password: string; before: SignIn },
): Promise<{ right: boolean; signIn: SignIn }> {
  const { who, password, before } = asked
  const { db } = world
  const domainId = before.domainId ?? ''
  // a user of our own in a domain that a directory keeps is none
  const which = 'name' in who ? { name: who.name } : before.user?.localId ? { localId: before.user.localId } : undefined
  const entry = which && (await directory.findUser(which))
  if (entry) await seeUsers(db, domainId, [entry])
  else if (before.user?.localId) await loseUser(db, { id: before.user.id, gone: false })
  const id = entry ? publicId('user', domainId, entry.localId) : ''
  const found = await findSignIn(world, address, { id })
  const right = await directory.verifyPassword(found.open ? entry : undefined, password)
  if (!entry || !right) return { right: false, signIn: found }
  const signIn = await stillOpen(world, address, found)
  if (signIn.open) await seeUserWithGroups(world, domainId, directory, entry)
  return { right: signIn.open, signIn }
}

/** The same user, where a directory knows whom the name means. `found` is what is known without asking it. */
export async function findSignInByName(world: World, address: string, who: WhoSignsIn, found: SignIn): Promise<SignIn> {
  const directory = 'name' in who ? await world.directories.of(found.domainId) : undefined
  if (!directory || !('name' in who)) return found
  const entry = await directory.findUser({ name: who.name })
  return findSignIn(world, address, { id: entry ? publicId('user', found.domainId ?? '', entry.localId) : '' })
}
