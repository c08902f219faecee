import { and, type Db, eq, sql } from '#lib/db.ts'
import { invalid, unauthenticated } from '#lib/fault.ts'
import { project, user } from '../model.ts'
import { type DomainRef, findDomainId, wrong } from './methods.ts'
import { rolesOf } from './roles-of.ts'
import type { TokenClaims } from './sealed.ts'

export type ScopeRequest =
  | { project: { id?: string | undefined; name?: string | undefined; domain?: DomainRef | undefined } }
  | { domain: DomainRef }
  | { system: unknown }
  | { 'OS-TRUST:trust': { id: string } }
  | { unscoped: unknown }
  | 'unscoped'

/** Throws unauthenticated for a project or domain that is not there; whether the user may go there is seen later. */
export async function findScope(db: Db, scope: ScopeRequest): Promise<TokenClaims['scope']> {
  if (scope === 'unscoped' || 'unscoped' in scope) return { kind: 'unscoped' }
  if ('system' in scope) return { kind: 'system' }
  if ('OS-TRUST:trust' in scope) return { kind: 'trust', id: scope['OS-TRUST:trust'].id }
  if ('domain' in scope) {
    const id = await findDomainId(db, scope.domain)
    const [found] = await db
      .select({ id: project.id })
      .from(project)
      .where(and(eq(project.id, id ?? ''), eq(project.isDomain, true)))
    return found ? { kind: 'domain', id: found.id } : unauthenticated(wrong)
  }
  const { id, name, domain } = scope.project
  if (id !== undefined) return { kind: 'project', id }
  if (domain?.id === undefined && domain?.name === undefined) return invalid('Expecting to find domain in project.')
  const inDomain =
    domain.id === undefined
      ? sql`${project.domainId} = (select d.id from project d where d.is_domain and d.name = ${domain.name})`
      : eq(project.domainId, domain.id)
  const [found] = await db
    .select({ id: project.id })
    .from(project)
    .where(and(eq(project.name, name ?? ''), inDomain, eq(project.isDomain, false)))
  return found ? { kind: 'project', id: found.id } : unauthenticated(wrong)
}

/** Without a scope: the user's default project, if they have a role there; else none. */
export async function defaultScope(db: Db, userId: string): Promise<TokenClaims['scope']> {
  const [row] = await db
    .select({ id: project.id })
    .from(user)
    .innerJoin(project, and(eq(project.id, user.defaultProjectId), eq(project.enabled, true)))
    .where(eq(user.id, userId))
  if (!row) return { kind: 'unscoped' }
  const roles = await rolesOf(db, userId, 'project', row.id)
  return roles.length > 0 ? { kind: 'project', id: row.id } : { kind: 'unscoped' }
}
