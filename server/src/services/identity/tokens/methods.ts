// Ways to prove who one is. Each takes as long for a stranger as for a user, and says no in the same words.
import { and, type Db, eq, sql } from '#lib/db.ts'
import { Fault, invalid, unauthenticated } from '#lib/fault.ts'
import {
  type ApplicationCredential,
  findApplicationCredential,
  findApplicationCredentialByName,
} from '../application-credentials/model.ts'
import { listCredentials } from '../credentials/model.ts'
import { password, project, type User, user } from '../model.ts'
import { verifyPassword } from '../users/password.ts'
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

/** Throws unauthenticated. */
export async function byPassword(db: Db, given: PasswordProof | undefined): Promise<Pick<User, 'id' | 'options'>> {
  if (!given) return invalid('Expecting to find password in identity.')
  const [found] = await db
    .select({ id: user.id, options: user.options, hash: password.hash, expiresAt: password.expiresAt })
    .from(user)
    .leftJoin(password, eq(password.userId, user.id))
    .where(and(await isUser(db, given.user), eq(user.enabled, true)))
    .orderBy(sql`${password.id} desc nulls last`)
    .limit(1)
  const right = await verifyPassword(given.user.password, found?.hash ?? undefined)
  if (!found || !right) return unauthenticated(wrong)
  if (found.expiresAt && found.expiresAt.getTime() <= Date.now() && found.options['ignore_password_expiry'] !== true)
    return unauthenticated(`The password is expired and needs to be changed for user: ${found.id}.`)
  return found
}

/** Throws unauthenticated. A code of six digits alone could be guessed: the caller asks for another proof beside it. */
export async function byTotp(db: Db, given: TotpProof | undefined): Promise<Pick<User, 'id' | 'options'>> {
  if (!given) return invalid('Expecting to find totp in identity.')
  const [found] = await db
    .select({ id: user.id, options: user.options })
    .from(user)
    .where(and(await isUser(db, given.user), eq(user.enabled, true)))
  const seeds = found ? await listCredentials(db, { userId: found.id, type: 'totp' }) : []
  const right = seeds.some(({ blob }) => isTotpCode(blob, given.user.passcode, Date.now()))
  return found && right ? found : unauthenticated(wrong)
}

async function isUser(db: Db, who: UserRef) {
  if (who.id !== undefined) return eq(user.id, who.id)
  if (who.name === undefined) return invalid('Expecting to find id or name in user.')
  return and(eq(user.name, who.name), eq(user.domainId, (await findDomainId(db, who.domain)) ?? ''))
}

/** Throws unauthenticated. */
export async function byApplicationCredential(
  db: Db,
  given: ApplicationCredentialProof | undefined,
): Promise<Pick<ApplicationCredential, 'id' | 'userId' | 'projectId'>> {
  if (!given) return invalid('Expecting to find application_credential in identity.')
  const row = await findGiven(db, given)
  const right = await verifyPassword(given.secret, row?.secretHash)
  if (!row || !right) return unauthenticated(wrong)
  if (row.expiresAt && row.expiresAt.getTime() <= Date.now()) return unauthenticated(wrong)
  return row
}

async function findGiven(db: Db, given: ApplicationCredentialProof): Promise<ApplicationCredential | undefined> {
  if (given.id !== undefined) return findApplicationCredential(db, given.id)
  if (given.name === undefined || !given.user)
    return invalid('Expecting to find id, or name and user, in application_credential.')
  const [owner] = await db
    .select({ id: user.id })
    .from(user)
    .where(await isUser(db, given.user))
  return owner && findApplicationCredentialByName(db, owner.id, given.name)
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
