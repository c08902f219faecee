import { and, type Db, desc, eq, inArray, isDuplicate, notInArray, type SQL, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { bug, conflict, invalid, notFound } from '#lib/fault.ts'
import { listPage, type Page } from '#lib/http/page.ts'
import { newHexId } from '#lib/id.ts'
import { matching, type TextFilter } from '../matching.ts'
import { federatedMembership, federatedUser, groupMember, password, type User, user } from '../model.ts'

/** A user with what is shown of their password, and of whoever vouches for them. */
export type UserRow = User & { passwordExpiresAt: Date | null; vouchedAs: typeof federatedUser.$inferSelect | null }

export async function findUser(db: Db, id: string): Promise<UserRow | undefined> {
  const [row] = await db
    .select()
    .from(user)
    .where(and(eq(user.id, id), eq(user.gone, false)))
  return row && (await asRows(db, [row]))[0]
}
/** Throws notFound. */
export async function getUser(db: Db, id: string): Promise<UserRow> {
  return (await findUser(db, id)) ?? notFound('User', id)
}

/** Adds, in one query, when the passwords end; in another, where there are such users, who vouches for them. */
async function asRows(db: Db, rows: readonly User[]): Promise<UserRow[]> {
  if (rows.length === 0) return []
  const ends = await db
    .selectDistinctOn([password.userId], { userId: password.userId, expiresAt: password.expiresAt })
    .from(password)
    .where(
      inArray(
        password.userId,
        rows.map(({ id }) => id),
      ),
    )
    .orderBy(password.userId, sql`${password.id} desc`)
  const byUser = new Map(ends.map(({ userId, expiresAt }) => [userId, expiresAt]))
  const federated = rows.filter(({ federated }) => federated).map(({ id }) => id)
  const vouched =
    federated.length === 0 ? [] : await db.select().from(federatedUser).where(inArray(federatedUser.userId, federated))
  const vouchedAs = new Map(vouched.map((each) => [each.userId, each]))
  return rows.map((row) => ({
    ...row,
    passwordExpiresAt: byUser.get(row.id) ?? null,
    vouchedAs: vouchedAs.get(row.id) ?? null,
  }))
}

export interface UserFilter {
  text: TextFilter<'name' | 'domain_id' | 'default_project_id' | 'email'>[]
  enabled?: boolean | undefined
  /** Only of this domain. */
  within?: string | undefined
  inGroup?: string | undefined
  /** Only these. */
  ids?: readonly string[] | undefined
  /** Only those that are vouched for so. */
  vouched?: Partial<Record<'providerId' | 'protocolId' | 'uniqueId', string | undefined>>
  passwordEnds?: { how: 'lt' | 'lte' | 'gt' | 'gte' | 'eq' | 'neq'; at: Date } | undefined
}

const signs = { lt: sql`<`, lte: sql`<=`, gt: sql`>`, gte: sql`>=`, eq: sql`=`, neq: sql`<>` }

export async function listUsers(db: Db, filter: UserFilter, page: Page): Promise<{ rows: UserRow[]; more: boolean }> {
  const { passwordEnds: ends } = filter
  const where: SQL | undefined = and(
    eq(user.gone, false),
    filter.ids && sql`${user.id} in (select jsonb_array_elements_text(${JSON.stringify(filter.ids)}::text::jsonb))`,
    filter.within === undefined ? undefined : eq(user.domainId, filter.within),
    filter.enabled === undefined ? undefined : eq(user.enabled, filter.enabled),
    filter.inGroup === undefined
      ? undefined
      : sql`${user.id} in (select user_id from membership where group_id = ${filter.inGroup})`,
    vouchedSo(filter.vouched),
    ends &&
      sql`(select p.expires_at from password p where p.user_id = ${user.id} order by p.id desc limit 1)
          ${signs[ends.how]} ${ends.at.toISOString()}::timestamptz`,
    matching(
      {
        name: user.name,
        domain_id: user.domainId,
        default_project_id: user.defaultProjectId,
        email: user.email,
      },
      filter.text,
    ),
  )
  const { rows, more } = await listPage(db, user, user.id, where, page)
  return { rows: await asRows(db, rows), more }
}

function vouchedSo({ providerId, protocolId, uniqueId }: NonNullable<UserFilter['vouched']> = {}): SQL | undefined {
  const conditions = and(
    providerId === undefined ? undefined : sql`f.provider_id = ${providerId}`,
    protocolId === undefined ? undefined : sql`f.protocol_id = ${protocolId}`,
    uniqueId === undefined ? undefined : sql`f.unique_id = ${uniqueId}`,
  )
  return conditions && sql`${user.id} in (select f.user_id from federated_user f where ${conditions})`
}

/** `kept`: how many of a user's passwords stay, this one included. */
export interface NewPassword {
  hash: string
  expiresAt: Date | null
  kept: number
}

export type NewUser = Pick<
  User,
  'domainId' | 'name' | 'enabled' | 'defaultProjectId' | 'description' | 'email' | 'options' | 'extra'
> & { password: NewPassword | undefined }

/** Throws conflict for a name in use. */
export async function insertUser(tx: Tx, spec: NewUser): Promise<UserRow> {
  const { password: first, ...fields } = spec
  const row = await unique(tx, fields.name, (inner) =>
    inner
      .insert(user)
      .values({ ...fields, name: fields.name.trim(), id: newHexId() })
      .returning(),
  )
  if (first) await replacePassword(tx, row.id, first, false)
  await emit(tx, { type: 'user.created', resourceId: row.id })
  return { ...row, passwordExpiresAt: first?.expiresAt ?? null, vouchedAs: null }
}

export type UserChange = Partial<
  Pick<User, 'name' | 'enabled' | 'defaultProjectId' | 'description' | 'email' | 'options' | 'extra'>
>

/** A new password or the loss of `enabled` voids every token of the user. Throws conflict for a name in use, invalid. */
export async function updateUser(
  tx: Tx,
  row: User,
  change: UserChange,
  next: NewPassword | null | undefined,
): Promise<UserRow> {
  if (next && row.federated) invalid('A federated user has no password here: an identity provider vouches for them.')
  const voids = next !== undefined || (change.enabled === false && row.enabled)
  const fields = {
    ...change,
    ...(voids && { tokensValidFrom: fromNow() }),
    // who is enabled again, or given a new password, is no longer locked out, and is active from today
    ...((next || change.enabled === true) && { failedAuthCount: 0, failedAuthAt: null, lastActiveAt: today() }),
  }
  if (Object.keys(fields).length > 0) {
    await unique(tx, change.name ?? row.name, (inner) =>
      inner
        .update(user)
        .set({ ...fields, ...(change.name !== undefined && { name: change.name.trim() }) })
        .where(eq(user.id, row.id))
        .returning(),
    )
  }
  if (next !== undefined) await replacePassword(tx, row.id, next, false)
  await emit(tx, { type: 'user.updated', resourceId: row.id })
  return getUser(tx, row.id)
}

const today = () => new Date().toISOString().slice(0, 10)
// The instant after this one: a token issued within the same millisecond as the change is void.
const fromNow = () => new Date(Date.now() + 1)

/** The user's own change of password; their tokens end. */
export async function changePassword(tx: Tx, userId: string, next: NewPassword): Promise<void> {
  await tx.update(user).set({ tokensValidFrom: fromNow() }).where(eq(user.id, userId))
  await replacePassword(tx, userId, next, true)
  await emit(tx, { type: 'user.password_changed', resourceId: userId })
}

async function replacePassword(tx: Tx, userId: string, next: NewPassword | null, selfService: boolean): Promise<void> {
  const ofUser = eq(password.userId, userId)
  if (next === null) {
    await tx.delete(password).where(ofUser)
    return
  }
  const { kept, ...fields } = next
  await tx.insert(password).values({ userId, ...fields, selfService })
  const newest = tx.select({ id: password.id }).from(password).where(ofUser).orderBy(desc(password.id)).limit(kept)
  await tx.delete(password).where(and(ofUser, notInArray(password.id, newest)))
}

async function unique(tx: Tx, name: string, work: (inner: Tx) => Promise<User[]>): Promise<User> {
  try {
    const [row] = await tx.transaction(work)
    return row ?? bug('nothing was written')
  } catch (error) {
    if (isDuplicate(error)) conflict(`There is already a user named ${name} in this domain.`, { cause: error })
    throw error
  }
}

/** With roles, memberships, credentials and trusts; the user's tokens end with them. */
export async function removeUser(tx: Tx, row: Pick<User, 'id'>): Promise<void> {
  await tx.rows(sql`delete from role_assignment where actor_kind = 'user' and actor_id = ${row.id}`)
  await tx.delete(user).where(eq(user.id, row.id))
  await emit(tx, { type: 'user.deleted', resourceId: row.id })
}

export async function addMember(tx: Tx, groupId: string, userId: string): Promise<void> {
  await tx.insert(groupMember).values({ groupId, userId }).onConflictDoNothing()
}
/** False when the user was not in the group. Of a mapping's group it is only until the next sign-in. */
export async function removeMember(tx: Tx, groupId: string, userId: string): Promise<boolean> {
  let count = 0
  for (const table of [groupMember, federatedMembership]) {
    const gone = await tx
      .delete(table)
      .where(and(eq(table.groupId, groupId), eq(table.userId, userId)))
      .returning({ userId: table.userId })
    count += gone.length
  }
  return count > 0
}
export async function isMember(db: Db, groupId: string, userId: string): Promise<boolean> {
  const rows = await db.rows(sql`select 1 from membership where group_id = ${groupId} and user_id = ${userId}`)
  return rows.length > 0
}
