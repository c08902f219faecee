// How a request for a token is answered: prove who it is (methods), find what it is for (scope), seal.
import { and, type Db, eq, sql } from '#lib/db.ts'
import { Fault, unauthenticated } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { password, project, user } from '../model.ts'
import { verifyPassword } from '../users/password.ts'
import { type AuthMethod, newAuditId, seal, type TokenClaims } from './sealed.ts'
import { type ResolvedToken, rolesOf, type TokenReader } from './resolve.ts'

export interface DomainRef {
  id?: string
  name?: string
}
export interface AuthRequest {
  methods: AuthMethod[]
  password?: { user: { id?: string; name?: string; domain?: DomainRef; password: string } }
  token?: { id: string }
  scope:
    | { project: { id?: string; name?: string; domain?: DomainRef } }
    | { domain: DomainRef }
    | { system: { all: true } }
    | 'unscoped'
    | undefined
}

export interface Issued {
  token: string
  resolved: ResolvedToken
}

const wrong = 'The request you have made requires authentication.'

/** A token for the one who proves to be a user. Throws unauthenticated, whatever of it was wrong. */
export async function issueToken(world: World, reader: TokenReader, request: AuthRequest): Promise<Issued> {
  const { db } = world
  let userId: string | undefined
  let parent: TokenClaims | undefined
  for (const method of request.methods) {
    if (method === 'password') userId = await byPassword(db, request.password, userId)
    else if (method === 'token') {
      parent = (await reader.read(request.token?.id ?? '')).claims
      if (userId !== undefined && parent.userId !== userId) unauthenticated(wrong)
      userId = parent.userId
    } else throw new Fault('unauthenticated', `The authentication method ${method} is not enabled.`)
  }
  if (userId === undefined) return unauthenticated(wrong)
  const scope = await findScope(db, request.scope, userId)
  const now = Date.now()
  const claims: TokenClaims = {
    userId,
    scope,
    methods: [...new Set([...request.methods, ...(parent?.methods ?? [])])],
    auditIds: [newAuditId(), ...(parent ? [parent.auditIds.at(-1)!] : [])],
    issuedAtMs: now,
    // a token made from another one lives no longer than that one
    expiresAtMs: parent?.expiresAtMs ?? now + world.config.tokenHours * 3_600_000,
  }
  return sealed(reader, db, claims)
}

/** Seals claims that were checked elsewhere. */
export async function sealed(reader: TokenReader, db: Db, claims: TokenClaims): Promise<Issued> {
  const resolved = await reader.resolve(db, claims)
  const [key] = await reader.keys()
  if (!key) throw new Error('there is no token key: the database was not prepared')
  return { token: seal(claims, key), resolved }
}

async function byPassword(db: Db, given: AuthRequest['password'], before: string | undefined): Promise<string> {
  const who = given?.user
  if (!who) throw new Fault('invalid', 'Expecting to find password in identity.')
  const [found] = await db
    .select({ id: user.id, hash: password.hash, expiresAt: password.expiresAt })
    .from(user)
    .leftJoin(password, eq(password.userId, user.id))
    .where(
      and(
        who.id === undefined
          ? and(eq(user.name, who.name ?? ''), eq(user.domainId, (await domainId(db, who.domain)) ?? ''))
          : eq(user.id, who.id),
        eq(user.enabled, true),
      ),
    )
    .orderBy(sql`${password.id} desc nulls last`)
    .limit(1)
  const right = await verifyPassword(who.password, found?.hash ?? undefined)
  if (!found || !right || (before !== undefined && before !== found.id)) return unauthenticated(wrong)
  if (found.expiresAt && found.expiresAt.getTime() <= Date.now()) {
    return unauthenticated(`The password is expired and needs to be changed for user: ${found.id}.`)
  }
  return found.id
}

async function domainId(db: Db, ref: DomainRef | undefined): Promise<string | undefined> {
  if (ref?.id !== undefined) return ref.id
  if (ref?.name === undefined) throw new Fault('invalid', 'Expecting to find domain in user.')
  const [found] = await db
    .select({ id: project.id })
    .from(project)
    .where(and(eq(project.name, ref.name), eq(project.isDomain, true)))
  return found?.id
}

async function findScope(db: Db, scope: AuthRequest['scope'], userId: string): Promise<TokenClaims['scope']> {
  if (scope === 'unscoped') return { kind: 'unscoped' }
  if (scope === undefined) return defaultScope(db, userId)
  if ('system' in scope) return { kind: 'system' }
  if ('domain' in scope) {
    const id = await domainId(db, scope.domain)
    return id === undefined ? unauthenticated(wrong) : { kind: 'domain', id }
  }
  const { id, name, domain } = scope.project
  if (id !== undefined) return { kind: 'project', id }
  const inDomain = (await domainId(db, domain)) ?? ''
  const [found] = await db
    .select({ id: project.id })
    .from(project)
    .where(and(eq(project.name, name ?? ''), eq(project.domainId, inDomain), eq(project.isDomain, false)))
  return found ? { kind: 'project', id: found.id } : unauthenticated(wrong)
}

/** Without a scope: the user's default project, if they have a role there; else none. */
async function defaultScope(db: Db, userId: string): Promise<TokenClaims['scope']> {
  const [row] = await db.select({ id: user.defaultProjectId }).from(user).where(eq(user.id, userId))
  const id = row?.id
  if (!id) return { kind: 'unscoped' }
  const [allowed] = await db.rows<{ roles: unknown }>(
    sql`select ${rolesOf(userId, 'project', id)} as roles from project where id = ${id} and enabled`,
  )
  return allowed?.roles ? { kind: 'project', id } : { kind: 'unscoped' }
}

/** A project token for a user whom the caller vouches for (the program itself). Throws unauthenticated without a role there. */
export async function mintToken(
  reader: TokenReader,
  db: Db,
  who: { userId: string; projectId: string; hours: number },
): Promise<string> {
  const now = Date.now()
  const { token } = await sealed(reader, db, {
    userId: who.userId,
    scope: { kind: 'project', id: who.projectId },
    methods: ['token'],
    auditIds: [newAuditId()],
    issuedAtMs: now,
    expiresAtMs: now + who.hours * 3_600_000,
  })
  return token
}
