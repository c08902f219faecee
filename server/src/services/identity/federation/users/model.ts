// Users for whom a provider vouches: rows like everybody's, made and renamed when they sign in.
import { createHash } from 'node:crypto'
import { and, type Db, eq, notInArray, type SQL, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug } from '#lib/fault.ts'
import { federatedMembership, federatedUser, type User, user } from '../../model.ts'
import { removeUser } from '../../users/model.ts'

/** As what a provider knows somebody: the same three mean the same user. */
export interface VouchedAs {
  providerId: string
  protocolId: string
  uniqueId: string
}
const known = (as: VouchedAs) =>
  and(
    eq(federatedUser.providerId, as.providerId),
    eq(federatedUser.protocolId, as.protocolId),
    eq(federatedUser.uniqueId, as.uniqueId),
  )

export async function findVouched(db: Db, as: VouchedAs): Promise<User | undefined> {
  const [row] = await db
    .select({ user })
    .from(user)
    .innerJoin(federatedUser, eq(federatedUser.userId, user.id))
    .where(known(as))
  return row?.user
}

/**
 * The user, made when they come for the first time. Someone who was deleted and comes again gets the id they had, and none of
 * the tokens.
 */
export async function insertVouched(
  tx: Tx,
  as: VouchedAs,
  fields: Pick<User, 'domainId' | 'name' | 'email'>,
): Promise<User> {
  const id = createHash('sha256')
    .update(JSON.stringify([fields.domainId, as.providerId, as.protocolId, as.uniqueId]))
    .digest('hex')
    .slice(0, 32)
  const [made] = await tx
    .insert(user)
    .values({ ...fields, id, federated: true, tokensValidFrom: new Date() })
    .onConflictDoNothing()
    .returning()
  await tx
    .insert(federatedUser)
    .values({ ...as, userId: id })
    .onConflictDoNothing()
  if (made) await emit(tx, { type: 'user.created', resourceId: id })
  // two first sign-ins at once are of one user
  return made ?? (await findVouched(tx, as)) ?? bug('a federated user was neither made nor found')
}

/** Takes over what the provider says by now. Whether anything was new. */
export async function refreshVouched(tx: Tx, row: User, said: { name: string; email?: string }): Promise<boolean> {
  if (said.name === row.name && (said.email === undefined || said.email === row.email)) return false
  await tx.update(user).set(said).where(eq(user.id, row.id))
  await emit(tx, { type: 'user.updated', resourceId: row.id })
  return true
}

/** The groups of this sign-in instead of those of the last. Whether they are others; the time alone does not count. */
export async function replaceMemberships(
  tx: Tx,
  userId: string,
  groupIds: readonly string[],
  expiresAt: Date,
): Promise<boolean> {
  const gone = await tx
    .delete(federatedMembership)
    .where(
      and(
        eq(federatedMembership.userId, userId),
        groupIds.length === 0 ? undefined : notInArray(federatedMembership.groupId, [...groupIds]),
      ),
    )
    .returning()
  let changed = gone.length > 0
  for (const groupId of groupIds) {
    const [before] = await tx
      .select({ expiresAt: federatedMembership.expiresAt })
      .from(federatedMembership)
      .where(and(eq(federatedMembership.userId, userId), eq(federatedMembership.groupId, groupId)))
    changed ||= !before || before.expiresAt.getTime() <= Date.now()
    await tx
      .insert(federatedMembership)
      .values({ userId, groupId, expiresAt })
      .onConflictDoUpdate({
        target: [federatedMembership.userId, federatedMembership.groupId],
        set: { expiresAt },
      })
  }
  return changed
}

/** With all that they have; their tokens end with them. */
export async function removeVouched(tx: Tx, by: { providerId: string; protocolId?: string }): Promise<void> {
  const of: SQL = sql`${user.id} in (
    select f.user_id from federated_user f where f.provider_id = ${by.providerId}
    ${by.protocolId === undefined ? sql`` : sql`and f.protocol_id = ${by.protocolId}`})`
  for (const row of await tx.select({ id: user.id }).from(user).where(of)) await removeUser(tx, row)
}
