// Ways to prove who one is. Each takes as long for a stranger as for a user, and says no in the same words.
import { and, type Db, eq } from '#lib/db.ts'
import { Fault, invalid, unauthenticated } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import {
  type ApplicationCredential,
  findApplicationCredential,
  findApplicationCredentialByName,
} from '../application-credentials/model.ts'
import { listCredentials } from '../credentials/model.ts'
import { findSignInByName, verifyByDirectory } from '../directories/sign-in.ts'
import { project, type User } from '../model.ts'
import { verifyPassword } from '../users/password.ts'
import { failSignIn, findSignIn, requirePatience, type SignIn, stillOpen, type WhoSignsIn } from '../users/sign-in.ts'
import { isTotpCode } from './totp.ts'

export interface DomainRef {
  id?: string | undefined
  name?: string | undefined
}
export interface UserRef {
  id?: string | undefined
  name?: string | undefined
  domain?: DomainRef | undefined
}
export interface PasswordProof {
  user: UserRef & { password: string }
}
export interface ApplicationCredentialProof {
  id?: string | undefined
  name?: string | undefined
  user?: UserRef | undefined
  secret: string
}

export interface TotpProof {
  user: UserRef & { passcode: string }
}

export const wrong = 'The request you have made requires authentication.'

/** What a way to prove needs to know: the world, and where the request comes from. */
export interface Asking {
  world: World
  address: string
}
/** Counts the failure and throws unauthenticated. */
async function refuse({ world, address }: Asking, found: SignIn): Promise<never> {
  await failSignIn(world, address, found)
  return unauthenticated(wrong)
}

/** A user who gave a proof, and what is to be noted when all proofs are given. */
export interface Proved {
  user: Pick<User, 'id' | 'options'>
  signIn: SignIn
}

/** Throws unauthenticated; tooMany for an address that failed too often. */
export async function byPassword(asking: Asking, given: PasswordProof | undefined): Promise<Proved> {
  if (!given) return invalid('Expecting to find password in identity.')
  const who = whoIs(given.user)
  const found = await findSignIn(asking.world, asking.address, who)
  requirePatience(asking.world.config, found)
  const directory = await asking.world.directories.of(found.domainId)
  if (directory) {
    const asked = { who, password: given.user.password, before: found }
    const { right, signIn } = await verifyByDirectory(asking.world, directory, asking.address, asked)
    return right && signIn.user ? { user: signIn.user, signIn } : refuse(asking, signIn)
  }
  const { user, hash, expiresAt, open } = found
  const right = await verifyPassword(given.user.password, open ? hash : undefined)
  if (!user || !right) return refuse(asking, found)
  const now = await stillOpen(asking.world, asking.address, found)
  if (!now.open) return refuse(asking, now)
  if (expiresAt && expiresAt.getTime() <= Date.now() && user.options['ignore_password_expiry'] !== true)
    return unauthenticated(`The password is expired and needs to be changed for user: ${user.id}.`)
  return { user, signIn: now }
}

/**
 * Throws unauthenticated; tooMany for an address that failed too often. A code of six digits alone could be guessed: the
 * caller asks for another proof beside it.
 */
export async function byTotp(asking: Asking, given: TotpProof | undefined): Promise<Proved> {
  if (!given) return invalid('Expecting to find totp in identity.')
  const who = whoIs(given.user)
  const known = await findSignIn(asking.world, asking.address, who)
  requirePatience(asking.world.config, known)
  const found = await findSignInByName(asking.world, asking.address, who, known)
  const { user, open } = found
  const seeds = user && open ? await listCredentials(asking.world.db, { userId: user.id, type: 'totp' }) : []
  const right = seeds.some(({ blob }) => isTotpCode(blob, given.user.passcode, Date.now()))
  return user && right ? { user, signIn: found } : refuse(asking, found)
}

function whoIs({ id, name, domain }: UserRef): WhoSignsIn {
  if (id !== undefined) return { id }
  if (name === undefined) return invalid('Expecting to find id or name in user.')
  if (domain?.id !== undefined) return { name, domain: { id: domain.id } }
  return { name, domain: { name: domain?.name ?? invalid('Expecting to find domain in user.') } }
}

/** Throws unauthenticated; tooMany for an address that failed too often. */
export async function byApplicationCredential(
  asking: Asking,
  given: ApplicationCredentialProof | undefined,
): Promise<Pick<ApplicationCredential, 'id' | 'userId' | 'projectId'>> {
  if (!given) return invalid('Expecting to find application_credential in identity.')
  const { world, address } = asking
  const row = await findGiven(world.db, given)
  const found = await findSignIn(world, address, { id: row?.userId ?? '' })
  requirePatience(world.config, found)
  const right = await verifyPassword(given.secret, row?.secretHash)
  // a wrong secret says nothing of the user's password: only the address is counted
  if (!row || !right) return refuse(asking, { ...found, user: undefined })
  if (row.expiresAt && row.expiresAt.getTime() <= Date.now()) return unauthenticated(wrong)
  return row
}

/** One query, whatever there is of what is named. */
async function findGiven(db: Db, given: ApplicationCredentialProof): Promise<ApplicationCredential | undefined> {
  if (given.id !== undefined) return findApplicationCredential(db, given.id)
  if (given.name === undefined || !given.user)
    return invalid('Expecting to find id, or name and user, in application_credential.')
  return findApplicationCredentialByName(db, whoIs(given.user), given.name)
}

/** undefined when there is none of that name. Throws invalid when neither id nor name is said. */
export async function findDomainId(db: Db, ref: DomainRef | undefined): Promise<string | undefined> {
  if (ref?.id !== undefined) return ref.id
  if (ref?.name === undefined) throw new Fault('invalid', 'Expecting to find domain in user.')
  const [found] = await db
    .select({ id: project.id })
    .from(project)
    .where(and(eq(project.name, ref.name), eq(project.isDomain, true)))
  return found?.id
}
