// What stands between a guesser and a password. Failed sign-ins are counted for the user and for the address they come
// from; a success writes nothing, unless there is something to forget or the day's activity to note. Whoever is held back
// is told so only as an address; a user who is locked out looks like one that is not there, after the same work.
import type { Config } from '#lib/config.ts'
import { type Database, sql } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import type { User } from '../model.ts'

/** A user, by id or by name and domain. */
export type WhoSignsIn = { id: string } | { name: string; domain: { id: string } | { name: string } }

/** The state of a sign-in before it is tried. */
export interface SignIn {
  user: Pick<User, 'id' | 'options' | 'localId'> | undefined
  /** Where such a user is, or would be. */
  domainId: string | undefined
  hash: string | undefined
  expiresAt: Date | undefined
  /** Whether a right proof would do: the user is enabled, active, and not locked out. */
  open: boolean
  /** There are failures to forget after a success. */
  failed: boolean
  /** Their activity of today has not been noted. */
  stale: boolean
  addressCount: number
  addressFailedAt: number
  /** How many failures of the user this process had seen when the state was read. */
  seen: number
}

interface Row {
  id: string | null
  domain_id: string | null
  local_id: string | null
  options: Record<string, unknown> | null
  enabled: boolean | null
  failed_auth_count: number | null
  failed_auth_at: string | Date | null
  last_active_at: string | Date | null
  created_at: string | Date | null
  hash: string | null
  expires_at: string | Date | null
  address_count: number | null
  address_failed_at: string | Date | null
}

const dayMs = 86_400_000
const msOf = (at: string | Date | null): number => (at === null ? 0 : new Date(at).getTime())

/** One query, whether or not there is such a user. */
export async function findSignIn(
  { db, config }: Pick<World, 'db' | 'config'>,
  address: string,
  who: WhoSignsIn,
): Promise<SignIn> {
  const match =
    'id' in who
      ? sql`u.id = ${who.id}`
      : // those of a directory are found by it, not by how they were called when they were last seen
        sql`u.name = ${who.name} and u.domain_id = ${domainOf(who.domain)} and u.local_id is null
          and not u.federated`
  const domain = 'id' in who ? sql`u.domain_id` : domainOf(who.domain)
  const [row] = await db.rows<Row>(sql`
    select u.id, ${domain} as domain_id, u.local_id, u.options, u.enabled, u.failed_auth_count, u.failed_auth_at, u.last_active_at, u.created_at,
      p.hash, p.expires_at, f.count as address_count, f.failed_at as address_failed_at
    from (select 1) one
    left join identity_user u on ${match}
    left join lateral (
      select hash, expires_at from password where user_id = u.id order by id desc limit 1) p on true
    left join sign_in_failure f on f.address = ${address}`)
  return read(config, row!)
}

export const domainOf = (domain: { id: string } | { name: string }) =>
  'id' in domain ? sql`${domain.id}::text` : sql`(select id from project where is_domain and name = ${domain.name})`

function read(config: Config, row: Row): SignIn {
  const options = row.options ?? {}
  return {
    user: row.id === null ? undefined : { id: row.id, options, localId: row.local_id },
    domainId: row.domain_id ?? undefined,
    hash: row.hash ?? undefined,
    expiresAt: row.expires_at === null ? undefined : new Date(row.expires_at),
    open: row.enabled === true && !isLockedOut(config, options, row) && !isInactive(config, options, row),
    failed: (row.failed_auth_count ?? 0) > 0,
    stale: config.inactiveDays > 0 && msOf(row.last_active_at) < Date.now() - dayMs,
    addressCount: row.address_count ?? 0,
    addressFailedAt: msOf(row.address_failed_at),
    seen: seenFailures(row.id),
  }
}

// Guesses that come all at once are all looked at before any has failed. So who gives the right password is asked again
// whether they are locked out by now, if this process has seen a failure meanwhile.
const failures = new Map<string, number>()
const mostKept = 10_000
const seenFailures = (id: string | null | undefined) => (id ? (failures.get(id) ?? 0) : 0)

/** The state of now, after a proof that was right. */
export async function stillOpen(world: Pick<World, 'db' | 'config'>, address: string, before: SignIn): Promise<SignIn> {
  const { user, seen } = before
  return !user || seenFailures(user.id) === seen ? before : findSignIn(world, address, { id: user.id })
}

// Guesses up to here cost nothing more; each further one doubles the time until the next is looked at.
const freeGuesses = 5
const longestWaitMs = 30_000
const rememberedSeconds = 3600

/** Locked out for a time by the operator's rule; without one, held back a little longer after each failure. */
function isLockedOut(config: Config, options: Record<string, unknown>, row: Row): boolean {
  if (options['ignore_lockout_failure_attempts'] === true) return false
  const count = row.failed_auth_count ?? 0
  const sinceMs = Date.now() - msOf(row.failed_auth_at)
  if (config.lockoutAttempts > 0) return count >= config.lockoutAttempts && sinceMs < config.lockoutSeconds * 1000
  return count >= freeGuesses && sinceMs < Math.min(1000 * 2 ** (count - freeGuesses), longestWaitMs)
}

/** Too long without a sign-in; whoever never signed in is as old as their account. */
function isInactive(config: Config, options: Record<string, unknown>, row: Row): boolean {
  if (config.inactiveDays === 0 || options['ignore_user_inactivity'] === true) return false
  return Date.now() - (msOf(row.last_active_at) || msOf(row.created_at)) >= config.inactiveDays * dayMs
}

// Failures of an address sink by one each 6 seconds.
const sinkSeconds = 6

/** Throws tooMany for an address that failed too often, whoever it asks for. */
export function requirePatience(config: Config, { addressCount, addressFailedAt }: SignIn): void {
  const sinceMs = Date.now() - addressFailedAt
  const count = addressCount - sinceMs / 1000 / sinkSeconds
  if (config.addressAttempts === 0 || count < config.addressAttempts) return
  const waitMs = Math.min(1000 * 2 ** Math.min(count - config.addressAttempts, 10), 60_000) - sinceMs
  if (waitMs > 0)
    throw new Fault(
      'tooMany',
      `Too many failed sign-ins from this address: try again in ${Math.ceil(waitMs / 1000)} s.`,
    )
}

/** Counts a failure, the same way whether there is such a user or not. One who is locked out is not locked longer by it. */
export async function failSignIn(
  { db, config }: Pick<World, 'db' | 'config'>,
  address: string,
  { user, open }: Pick<SignIn, 'user' | 'open'>,
): Promise<void> {
  if (user) {
    if (failures.size >= mostKept) failures.clear()
    failures.set(user.id, seenFailures(user.id) + 1)
  }
  const remembered = config.lockoutAttempts > 0 ? config.lockoutSeconds : rememberedSeconds
  const count = sql`
    with counted as (
      update identity_user
      set failed_auth_at = now(), failed_auth_count =
        case when failed_auth_at > now() - ${remembered}::float8 * interval '1 second' then failed_auth_count + 1 else 1 end
      where id = ${open && user ? user.id : ''}),
    forgotten as (
      delete from sign_in_failure where failed_at < now() - interval '1 day' and address <> ${address})
    insert into sign_in_failure (address, count, failed_at) values (${address}, 1, now())
    on conflict (address) do update set failed_at = now(),
      count = 1 + greatest(0, sign_in_failure.count
        - extract(epoch from now() - sign_in_failure.failed_at) / ${sinkSeconds}::float8)`
  await db.transaction((tx) => tx.rows(count))
}

/** After a success: forgets the user's failures and notes the day. Usually there is nothing to do, and no query. */
export async function noteSignIn(db: Database, { user, failed, stale }: SignIn): Promise<void> {
  if (!user || (!failed && !stale)) return
  const note = sql`
    update identity_user
    set failed_auth_count = 0, failed_auth_at = null, last_active_at = ${stale ? sql`current_date` : sql`last_active_at`}
    where id = ${user.id}`
  await db.transaction((tx) => tx.rows(note))
}
