// What a token's claims stand for now: user and scope alive, roles as they are assigned this moment. Kept per process and
// forgotten when anything in identity changes, so a check costs no query in the usual case and a revocation acts at once.
import type { Actor } from '#lib/actor.ts'
import { type Db, sql } from '#lib/db.ts'
import { unauthenticated } from '#lib/fault.ts'
import { type Key, readKeys } from '#lib/key-ring.ts'
import type { World } from '#lib/world.ts'
import { believedUntilMs, refreshUser } from '../directories/refresh.ts'
import { type Delegation, readDelegation } from './delegation.ts'
import { remembered } from './remembered.ts'
import { readRoles, type RoleRef, type RoleRow, rolesSql } from './roles-of.ts'
import { keySerial, open, type TokenClaims } from './sealed.ts'

export interface Named {
  id: string
  name: string
}
/** A token with all that Keystone shows of it. */
export interface ResolvedToken {
  claims: TokenClaims
  actor: Actor
  user: Named & { domain: Named; passwordExpiresAt: string | null }
  /** Who vouches for the user, and the groups that their mapping gave. */
  vouched: { providerId: string; protocolId: string; groupIds: string[] } | undefined
  project: (Named & { domain: Named; isDomain: boolean }) | undefined
  domain: Named | undefined
  roles: RoleRef[]
  trust: Delegation['trust']
  accessToken: Delegation['accessToken']
  applicationCredential: Delegation['applicationCredential']
  accessRules: Actor['accessRules']
  /**
   * Until when this holds of itself: then a directory has to be asked again about those whose token it is, or a group ends
   * that a mapping gave. Infinity where neither is so.
   */
  believedUntilMs: number
}

export interface TokenReader {
  /** Throws unauthenticated; unavailable when a directory has to be asked and does not answer. `expired`: one that has expired within that time is still shown. */
  read(token: string, expired?: { graceMs: number }): Promise<ResolvedToken>
  /** Resolves claims without the cache; used where a token is about to be issued. */
  resolve(db: Db, claims: TokenClaims): Promise<ResolvedToken>
  keys(): Promise<readonly Key[]>
}

export function tokenReader(world: Pick<World, 'db' | 'config' | 'directories'>): TokenReader {
  const { db } = world
  let keys: readonly Key[] = []
  /** When each serial that no key had was last looked up. */
  const lookedUpAt = new Map<number | undefined, number>()
  const tokens = remembered<ResolvedToken>(db, () => {
    keys = []
    lookedUpAt.clear()
  })
  const lookUpKeys = async () => {
    const now = tokens.since()
    const found = await readKeys(db, 'token')
    if (now.isCurrent()) keys = found
    return found
  }
  const currentKeys = async () => (keys.length > 0 ? keys : lookUpKeys())
  const keysFor = async (token: string) => {
    const known = await currentKeys()
    const serial = keySerial(token)
    if (known.some((key) => key.serial === serial)) return known
    // It may be that of a key made this moment: looked up again, but not for every forgery.
    if (Date.now() - (lookedUpAt.get(serial) ?? 0) < 1000) return known
    lookedUpAt.set(serial, Date.now())
    return lookUpKeys()
  }

  return {
    keys: currentKeys,
    resolve: (on, claims) => resolve(world, on, claims),
    async read(token, expired) {
      const now = Date.now() - (expired?.graceMs ?? 0)
      const known = tokens.get(token)
      if (known && known.believedUntilMs > Date.now()) {
        if (validUntilMs(known) <= now) unauthenticated()
        return known
      }
      const since = tokens.since()
      const claims = open(token, await keysFor(token), now)
      const resolved = await resolve(world, db, claims)
      since.keep(token, resolved)
      return resolved
    },
  }
}

/** A delegated token ends with what it was made from. */
export function validUntilMs({ claims, trust, accessToken, applicationCredential }: ResolvedToken): number {
  return Math.min(
    claims.expiresAtMs,
    accessToken?.expiresAt?.getTime() ?? Infinity,
    trust?.expiresAt?.getTime() ?? Infinity,
    applicationCredential?.expiresAtMs ?? Infinity,
  )
}

interface Row {
  user_name: string
  local_id: string | null
  seen_at: string | Date | null
  user_domain_id: string
  user_domain_name: string
  password_expires_at: Date | null
  scope_name: string | null
  scope_domain_id: string | null
  scope_domain_name: string | null
  scope_is_domain: boolean | null
  roles: RoleRow[] | null
  provider_id: string | null
  protocol_id: string | null
  mapped_groups: string[] | null
  group_ends: string | Date | null
}

/** Throws unauthenticated when the user or the scope is gone or disabled, the token was revoked, or no role is left. */
export async function resolve(
  world: Pick<World, 'db' | 'config' | 'directories'>,
  db: Db,
  claims: TokenClaims,
): Promise<ResolvedToken> {
  const { scope } = claims
  const delegation = await readDelegation(db, claims)
  const userId = delegation?.shownUserId ?? claims.userId
  let believed = delegation?.trust ? await requireAlive(world, db, delegation.alive, claims.issuedAtMs) : Infinity
  const scopeId = delegation?.projectId !== undefined ? (delegation.projectId ?? '') : 'id' in scope ? scope.id : ''
  const giver = delegation?.giver ?? userId
  const target = scope.kind === 'domain' ? 'domain' : scope.kind === 'system' ? 'system' : 'project'
  const query = sql`
    select u.name as user_name, u.local_id, u.seen_at, u.domain_id as user_domain_id, ud.name as user_domain_name,
      (select p.expires_at from password p where p.user_id = u.id order by p.id desc limit 1) as password_expires_at,
      s.name as scope_name, s.is_domain as scope_is_domain, s.domain_id as scope_domain_id, sd.name as scope_domain_name,
      ${scope.kind === 'unscoped' ? sql`null` : rolesSql(giver, target, scopeId, { domainRoles: delegation !== undefined })} as roles,
      f.provider_id, f.protocol_id,
      (select jsonb_agg(m.group_id order by m.group_id) from federated_membership m
       where m.user_id = u.id and m.expires_at > now()) as mapped_groups,
      (select min(m.expires_at) from federated_membership m
       where m.user_id in (${userId}, ${giver}) and m.expires_at > now()) as group_ends
    from identity_user u
    join project ud on ud.id = u.domain_id
    left join federated_user f on f.user_id = u.id
    left join identity_provider i on i.id = f.provider_id
    left join project s on s.id = ${scopeId} and s.enabled
    left join project sd on sd.id = s.domain_id
    where u.id = ${userId} and u.enabled and ud.enabled and coalesce(sd.enabled, true) and coalesce(i.enabled, true)
      and u.tokens_valid_from <= ${new Date(claims.issuedAtMs).toISOString()}::timestamptz
      and not exists (select 1 from token_revocation r where r.audit_id = ${claims.auditIds[0] ?? ''})`
  let [row] = await db.rows<Row>(query)
  if (row && row.local_id !== null && believedUntilMs(world, momentOf(row.seen_at)) <= Date.now()) {
    await refreshUser(world, { id: userId, domainId: row.user_domain_id, localId: row.local_id, gone: false })
    ;[row] = await db.rows<Row>(query)
  }
  if (!row) return unauthenticated()
  const groupEnds = momentOf(row.group_ends)?.getTime() ?? Infinity
  believed = Math.min(believed, groupEnds, believedUntilMs(world, momentOf(row.seen_at)))
  // a trust without a project gives no place to act in
  const scoped = scope.kind !== 'unscoped' && !(delegation?.trust && delegation.trust.projectId === null)
  const roles = limited(readRoles(row.roles), delegation)
  if (scoped && (roles.length === 0 || (target !== 'system' && row.scope_name === null))) unauthenticated()

  const inProject = scoped && target === 'project'
  const inDomain = scoped && target === 'domain'
  const scopeDomain =
    row.scope_domain_id === null
      ? { id: scopeId, name: row.scope_name ?? '' }
      : { id: row.scope_domain_id, name: row.scope_domain_name ?? '' }
  const names = roles.map(({ name }) => name)
  const actor: Actor = Object.freeze({
    userId,
    userName: row.user_name,
    userDomainId: row.user_domain_id,
    projectId: inProject ? scopeId : null,
    projectName: inProject ? row.scope_name : null,
    projectDomainId: inProject ? scopeDomain.id : null,
    domainId: inDomain ? scopeId : null,
    system: target === 'system' && scoped,
    roles: names,
    isAdmin: names.includes('admin'),
    trustId: scope.kind === 'trust' ? scope.id : null,
    applicationCredentialId: claims.applicationCredentialId ?? null,
    methods: claims.methods,
    ...((delegation?.applicationCredential?.restricted || delegation?.accessToken) && { restricted: true }),
    ...(delegation?.applicationCredential?.accessRules && {
      accessRules: delegation.applicationCredential.accessRules,
    }),
  })
  return {
    claims,
    actor,
    user: {
      id: userId,
      name: row.user_name,
      domain: { id: row.user_domain_id, name: row.user_domain_name },
      passwordExpiresAt: row.password_expires_at === null ? null : new Date(row.password_expires_at).toISOString(),
    },
    vouched:
      row.provider_id === null
        ? undefined
        : { providerId: row.provider_id, protocolId: row.protocol_id ?? '', groupIds: row.mapped_groups ?? [] },
    project: inProject
      ? { id: scopeId, name: row.scope_name ?? '', domain: scopeDomain, isDomain: row.scope_is_domain ?? false }
      : undefined,
    domain: inDomain ? { id: scopeId, name: row.scope_name ?? '' } : undefined,
    roles,
    trust: delegation?.trust,
    accessToken: delegation?.accessToken,
    applicationCredential: delegation?.applicationCredential,
    accessRules: delegation?.applicationCredential?.accessRules,
    believedUntilMs: believed,
  }
}

const momentOf = (at: string | Date | null) => (at === null ? null : new Date(at))

/** The roles that were delegated, as far as the giver still has them; a domain's own roles are never shown. */
function limited(roles: RoleRef[], delegation: Delegation | undefined): RoleRef[] {
  if (!delegation) return roles
  const given = new Set(delegation.roleIds)
  return roles.filter(({ id, domainId }) => given.has(id) && domainId === null)
}

/**
 * All those whose trust it is must be able to sign in still. Returns until when that is believed. Throws unauthenticated;
 * unavailable when a directory has to be asked and does not answer.
 */
async function requireAlive(
  world: Pick<World, 'db' | 'config' | 'directories'>,
  db: Db,
  userIds: readonly string[],
  issuedAtMs: number,
): Promise<number> {
  const query = sql`
    select u.id, u.domain_id, u.local_id, u.seen_at from identity_user u join project d on d.id = u.domain_id
    left join federated_user f on f.user_id = u.id
    left join identity_provider i on i.id = f.provider_id
    where u.id in ${[...userIds]} and u.enabled and d.enabled and coalesce(i.enabled, true)
      and u.tokens_valid_from <= ${new Date(issuedAtMs).toISOString()}::timestamptz`
  type Alive = { id: string; domain_id: string; local_id: string | null; seen_at: string | Date | null }
  const believed = (row: Alive) => believedUntilMs(world, momentOf(row.seen_at))
  let rows = await db.rows<Alive>(query)
  const stale = rows.filter((row) => believed(row) <= Date.now())
  for (const { id, domain_id: domainId, local_id: localId } of stale)
    await refreshUser(world, { id, domainId, localId, gone: false })
  if (stale.length > 0) rows = await db.rows<Alive>(query)
  if (rows.length !== userIds.length) unauthenticated()
  return Math.min(...rows.map(believed))
}
