// The rows of users and groups that a directory keeps, as they were last seen there.
import { createHash } from 'node:crypto'
import { and, type Database, type Db, eq, inArray, sql, type SQL, type Tx } from '#lib/db.ts'
import { change } from '../change.ts'
import type { DirectoryGroup, DirectoryUser } from '../directory.ts'
import { group, groupMember, type User, user } from '../model.ts'

/** Keystone's: an installation that comes from it keeps its ids. */
export function publicId(kind: 'user' | 'group', domainId: string, localId: string): string {
  return createHash('sha256').update(`${domainId}${kind}${localId}`).digest('hex')
}

/** Rows in one statement; a document of a few hundred kB at most. */
const atOnce = 1000

/** What is compared. */
interface Row {
  id: string
  name: string
  description: string | null
  extra: Record<string, unknown>
}
type UserRow = Row & { localId: string; enabled: boolean; email: string | null; defaultProjectId: string | null }
type GroupRow = Row & { localId: string }

/** Notes what the directory said of these users. Returns their ids; tells all processes only when someone known changed. */
export function seeUsers(db: Database, domainId: string, found: readonly DirectoryUser[]): Promise<string[]> {
  const rows = found.map(({ localId, name, enabled, email, description, defaultProjectId, extra }): UserRow => ({
    id: publicId('user', domainId, localId),
    localId,
    name,
    enabled,
    email,
    description,
    defaultProjectId,
    extra,
  }))
  return see(db, 'user', rows, (tx, some) =>
    tx.rows(sql`
      insert into identity_user as u (id, domain_id, local_id, name, enabled, email, description, default_project_id, extra, seen_at)
      select f.id, ${domainId}, f."localId", f.name, f.enabled, f.email, f.description, f."defaultProjectId", f.extra, 'epoch'::timestamptz
      from jsonb_to_recordset(${JSON.stringify(some)}::text::jsonb) as f (id text, "localId" text, name text, enabled boolean,
        email text, description text, "defaultProjectId" text, extra jsonb)
      order by f.id
      on conflict (id) do update set name = excluded.name, enabled = excluded.enabled, email = excluded.email,
        description = excluded.description, default_project_id = excluded.default_project_id, extra = excluded.extra,
        gone = false,
        tokens_valid_from = case when u.enabled and not excluded.enabled
          then ${afterNow()}::timestamptz else u.tokens_valid_from end`),
  )
}

export function seeGroups(db: Database, domainId: string, found: readonly DirectoryGroup[]): Promise<string[]> {
  const rows = found.map(({ localId, name, description, extra }): GroupRow => ({
    id: publicId('group', domainId, localId),
    localId,
    name,
    description,
    extra,
  }))
  return see(db, 'group', rows, (tx, some) =>
    tx.rows(sql`
      insert into identity_group (id, domain_id, local_id, name, description, extra, seen_at)
      select f.id, ${domainId}, f."localId", f.name, f.description, f.extra, 'epoch'::timestamptz
      from jsonb_to_recordset(${JSON.stringify(some)}::text::jsonb)
        as f (id text, "localId" text, name text, description text, extra jsonb)
      order by f.id
      on conflict (id) do update set name = excluded.name, description = excluded.description, extra = excluded.extra,
        gone = false`),
  )
}

/** Notes when a user and their groups, or a group, were read: until then nothing of it was stale. */
export async function noteSeen(db: Database, kind: 'user' | 'group', id: string, at: Date): Promise<void> {
  await db.transaction((tx) =>
    kind === 'user'
      ? tx.update(user).set({ seenAt: at }).where(eq(user.id, id))
      : tx.update(group).set({ seenAt: at }).where(eq(group.id, id)),
  )
}

async function see<Seen extends Row>(
  db: Database,
  kind: 'user' | 'group',
  all: readonly Seen[],
  write: (tx: Tx, rows: readonly Seen[]) => Promise<unknown>,
): Promise<string[]> {
  const rows = [...new Map(all.map((row) => [row.id, row])).values()]
  for (let i = 0; i < rows.length; i += atOnce) {
    const some = rows.slice(i, i + atOnce)
    const before = await readKnown(
      db,
      kind,
      some.map(({ id }) => id),
    )
    const news = some.filter((row) => before.get(row.id) !== textOf(row))
    if (news.length === 0) continue
    const work = (tx: Tx) => write(tx, news)
    await (news.some(({ id }) => before.has(id)) ? change(db, work) : db.transaction(work))
  }
  return rows.map(({ id }) => id)
}

async function readKnown(db: Db, kind: 'user' | 'group', ids: string[]): Promise<Map<string, string>> {
  const rows =
    kind === 'user'
      ? await db.select().from(user).where(inArray(user.id, ids))
      : await db.select().from(group).where(inArray(group.id, ids))
  return new Map(rows.map((row) => [row.id, row.gone ? '' : textOf(row)]))
}

/** The same for what is the same. */
function textOf(row: Row & Partial<Omit<UserRow, 'localId'>>): string {
  const { name, description, extra, enabled, email, defaultProjectId } = row
  const sorted = Object.entries(extra).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([name, description, enabled, email, defaultProjectId, sorted])
}

// The instant after this one: a token issued within the same millisecond as the change is void.
const afterNow = () => new Date(Date.now() + 1).toISOString()

/** The directory has no such user any more: what they were given stays, for directories lose people by mistake too. */
export async function loseUser(db: Database, { id, gone }: Pick<User, 'id' | 'gone'>): Promise<void> {
  if (gone) return
  await change(db, async (tx) => {
    await tx
      .update(user)
      .set({ gone: true, enabled: false, seenAt: new Date(), tokensValidFrom: new Date(Date.now() + 1) })
      .where(eq(user.id, id))
    await tx.delete(groupMember).where(eq(groupMember.userId, id))
  })
}
export async function loseGroup(db: Database, { id }: { id: string }): Promise<void> {
  await change(db, async (tx) => {
    await tx.update(group).set({ gone: true, seenAt: new Date() }).where(eq(group.id, id))
    await tx.delete(groupMember).where(eq(groupMember.groupId, id))
  })
}

/** The user is in these groups and in no others. */
export const seeGroupsOf = (db: Database, userId: string, groupIds: readonly string[]) =>
  seeMembership(db, groupMember.userId, userId, groupMember.groupId, groupIds, true)

/** These users are in the group; unless the list is cut, no others. */
export const seeUsersIn = (db: Database, groupId: string, userIds: readonly string[], complete: boolean) =>
  seeMembership(db, groupMember.groupId, groupId, groupMember.userId, userIds, complete)

type Side = typeof groupMember.userId

async function seeMembership(
  db: Database,
  one: Side,
  id: string,
  other: Side,
  wanted: readonly string[],
  complete: boolean,
): Promise<void> {
  const rows = await db.select({ id: other }).from(groupMember).where(eq(one, id))
  const had = new Set(rows.map((row) => row.id))
  const want = new Set(wanted)
  const gone = complete ? [...had].filter((each) => !want.has(each)) : []
  const fresh = [...want].filter((each) => !had.has(each))
  if (gone.length === 0 && fresh.length === 0) return
  await change(db, async (tx) => {
    if (gone.length > 0) await tx.delete(groupMember).where(and(eq(one, id), inArray(other, gone)))
    if (fresh.length > 0) await tx.rows(addMembers(one === groupMember.userId, id, fresh))
  })
}

const addMembers = (ofUser: boolean, id: string, others: readonly string[]): SQL => sql`
  insert into group_member (user_id, group_id)
  select ${ofUser ? sql`${id}, f.id` : sql`f.id, ${id}`}
  from jsonb_array_elements_text(${JSON.stringify(others)}::text::jsonb) as f (id)
  on conflict do nothing`
