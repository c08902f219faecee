// What a token's claims stand for now: user and scope alive, roles as they are assigned this moment. Kept per process and
// forgotten when anything in identity changes, so a check costs no query in the usual case and a revocation acts at once.
import type { Actor } from '#lib/actor.ts'
import { type Database, type Db, sql } from '#lib/db.ts'
import { unauthenticated } from '#lib/fault.ts'
import { readTokenKeys } from './keys.ts'
import { open, type TokenClaims, type TokenKey } from './sealed.ts'

export interface RoleRef {
  id: string
  name: string
  domainId: string | null
}
export interface Named {
  id: string
  name: string
}
/** A token with all that Keystone shows of it. */
export interface ResolvedToken {
  claims: TokenClaims
  actor: Actor
  user: Named & { domain: Named; passwordExpiresAt: string | null }
  project: (Named & { domain: Named; isDomain: boolean }) | undefined
  domain: Named | undefined
  roles: RoleRef[]
}

export interface TokenReader {
  /** Throws unauthenticated. */
  read(token: string): Promise<ResolvedToken>
  /** Resolves claims without the cache; used where a token is about to be issued. */
  resolve(db: Db, claims: TokenClaims): Promise<ResolvedToken>
  keys(): Promise<readonly TokenKey[]>
}

const mostKept = 10_000

export function tokenReader(db: Database): TokenReader {
  const kept = new Map<string, ResolvedToken>()
  let keys: readonly TokenKey[] = []
  // Without ears nothing may be kept: a revocation could have been missed.
  let hears = false
  // What was being resolved while something changed must not be kept either.
  let changes = 0
  const forget = () => {
    changes++
    kept.clear()
    keys = []
  }
  db.subscribe('identity', forget, () => {
    hears = true
    forget()
  })
  const currentKeys = async () => (keys.length > 0 ? keys : (keys = await readTokenKeys(db)))

  return {
    keys: currentKeys,
    resolve,
    async read(token) {
      const known = kept.get(token)
      if (known) {
        if (known.claims.expiresAtMs <= Date.now()) unauthenticated()
        return known
      }
      const before = changes
      const claims = open(token, await currentKeys(), Date.now())
      const resolved = await resolve(db, claims)
      if (hears && before === changes) {
        if (kept.size >= mostKept) kept.delete(kept.keys().next().value!)
        kept.set(token, resolved)
      }
      return resolved
    },
  }
}

interface Row {
  user_name: string
  user_domain_id: string
  user_domain_name: string
  password_expires_at: Date | null
  scope_name: string | null
  scope_domain_id: string | null
  scope_domain_name: string | null
  scope_is_domain: boolean | null
  roles: { id: string; name: string; domain_id: string | null }[] | null
}

/** Throws unauthenticated when the user or the scope is gone or disabled, the token was revoked, or no role is left. */
async function resolve(db: Db, claims: TokenClaims): Promise<ResolvedToken> {
  const { scope, userId } = claims
  const scopeId = scope.kind === 'trust' ? (claims.trustProjectId ?? '') : 'id' in scope ? scope.id : ''
  const target = scope.kind === 'domain' ? 'domain' : scope.kind === 'system' ? 'system' : 'project'
  const [row] = await db.rows<Row>(sql`
    select u.name as user_name, u.domain_id as user_domain_id, ud.name as user_domain_name,
      (select p.expires_at from password p where p.user_id = u.id order by p.id desc limit 1) as password_expires_at,
      s.name as scope_name, s.is_domain as scope_is_domain, s.domain_id as scope_domain_id, sd.name as scope_domain_name,
      ${scope.kind === 'unscoped' ? sql`null` : rolesOf(userId, target, scopeId)} as roles
    from identity_user u
    join project ud on ud.id = u.domain_id
    left join project s on s.id = ${scopeId} and s.enabled
    left join project sd on sd.id = s.domain_id
    where u.id = ${userId} and u.enabled and ud.enabled and coalesce(sd.enabled, true)
      and u.tokens_valid_from <= ${new Date(claims.issuedAtMs).toISOString()}::timestamptz
      and not exists (select 1 from token_revocation r where r.audit_id in ${claims.auditIds.length > 0 ? claims.auditIds : ['']})`)
  if (!row) return unauthenticated()
  const scoped = scope.kind !== 'unscoped'
  const roles = (row.roles ?? []).map((each) => ({ id: each.id, name: each.name, domainId: each.domain_id }))
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
    project: inProject
      ? { id: scopeId, name: row.scope_name ?? '', domain: scopeDomain, isDomain: row.scope_is_domain ?? false }
      : undefined,
    domain: inDomain ? { id: scopeId, name: row.scope_name ?? '' } : undefined,
    roles,
  }
}

/**
 * SQL for the roles of a user in a target as a JSON array: direct ones, those of groups, those inherited from the
 * project's ancestors and its domain, and all that these imply.
 */
export function rolesOf(userId: string, target: 'project' | 'domain' | 'system', targetId: string) {
  return sql`(
    with recursive ancestor (id, depth) as (
      select ${targetId}::text, 0
      union all
      select coalesce(p.parent_id, p.domain_id), a.depth + 1 from ancestor a join project p on p.id = a.id
      where coalesce(p.parent_id, p.domain_id) is not null and a.depth < 20
    ), held as (
      select a.role_id from role_assignment a
      where (a.actor_kind = 'user' and a.actor_id = ${userId}
          or a.actor_kind = 'group' and a.actor_id in (select m.group_id from group_member m where m.user_id = ${userId}))
        and (a.target_kind = ${target} and a.target_id = ${targetId} and not a.inherited
          or ${target === 'project'} and a.inherited and a.target_kind in ('project', 'domain')
             and a.target_id in (select c.id from ancestor c where c.depth > 0))
    ), every (role_id) as (
      select role_id from held
      union
      select i.implied_role_id from every e join implied_role i on i.prior_role_id = e.role_id
    )
    select jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, 'domain_id', r.domain_id) order by r.name)
    from role r where r.id in (select role_id from every))`
}
