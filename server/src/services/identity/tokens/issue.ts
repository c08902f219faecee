// How a request for a token is answered: prove who it is (methods), find what it is for (scope), seal.
import type { Database, Db } from '#lib/db.ts'
import { Fault, forbidden, invalid, unauthenticated } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { change } from '../change.ts'
import type { User } from '../model.ts'
import type { AccessToken } from '../oauth/model.ts'
import { type SignedBy, signedByAccessToken } from '../oauth/verify.ts'
import { consumeUse, findUsableTrust } from '../trusts/model.ts'
import {
  type ApplicationCredentialProof,
  byApplicationCredential,
  byPassword,
  byTotp,
  type PasswordProof,
  type TotpProof,
  wrong,
} from './methods.ts'
import { type ResolvedToken, type TokenReader } from './resolve.ts'
import { defaultScope, findScope, type ScopeRequest } from './scope.ts'
import { type AuthMethod, authMethods, newAuditId, seal, type TokenClaims } from './sealed.ts'

export interface AuthRequest {
  methods: string[]
  password?: PasswordProof | undefined
  token?: { id: string } | undefined
  applicationCredential?: ApplicationCredentialProof | undefined
  totp?: TotpProof | undefined
  /** The request itself, which a consumer signs. */
  oauth1?: SignedBy | undefined
  scope: ScopeRequest | undefined
}

export interface Issued {
  token: string
  resolved: ResolvedToken
}

interface Proved {
  userId: string
  methods: AuthMethod[]
  parent: TokenClaims | undefined
  applicationCredential: { id: string; projectId: string } | undefined
  accessToken: AccessToken | undefined
}

/** A token for the one who proves to be a user. Throws unauthenticated, whatever of it was wrong. */
export async function issueToken(world: World, reader: TokenReader, request: AuthRequest): Promise<Issued> {
  const { db } = world
  const proved = await prove(db, reader, request)
  const scope = await chooseScope(db, proved, request.scope)
  const now = Date.now()
  const claims: TokenClaims = {
    userId: proved.userId,
    scope,
    methods: proved.methods,
    auditIds: [newAuditId(), ...(proved.parent ? [proved.parent.auditIds.at(-1)!] : [])],
    issuedAtMs: now,
    // a token made from another one lives no longer than that one
    expiresAtMs: proved.parent?.expiresAtMs ?? now + world.config.tokenHours * 3_600_000,
    ...(proved.applicationCredential && { applicationCredentialId: proved.applicationCredential.id }),
  }
  const issued = await sealed(reader, db, claims)
  const ends = issued.resolved.trust?.expiresAt ?? issued.resolved.accessToken?.expiresAt ?? undefined
  if (scope.kind === 'trust') await useTrust(db, scope.id, issued.resolved.trust?.remainingUses ?? null)
  // what it was made from ends first: so does the token, and it says so
  const endsMs = Math.min(ends?.getTime() ?? Infinity, issued.resolved.applicationCredential?.expiresAtMs ?? Infinity)
  return endsMs < claims.expiresAtMs ? sealed(reader, db, { ...claims, expiresAtMs: endsMs }) : issued
}

/** Seals claims that were checked elsewhere. */
export async function sealed(reader: TokenReader, db: Db, claims: TokenClaims): Promise<Issued> {
  const resolved = await reader.resolve(db, claims)
  const [key] = await reader.keys()
  if (!key) throw new Error('there is no token key: the database was not prepared')
  return { token: seal(claims, key), resolved }
}

async function prove(db: Database, reader: TokenReader, request: AuthRequest): Promise<Proved> {
  let user: Pick<User, 'id' | 'options'> | undefined
  let parent: TokenClaims | undefined
  let applicationCredential: Proved['applicationCredential']
  let accessToken: Proved['accessToken']
  const methods = new Set<AuthMethod>()
  // the slow proof first: whoever fails it learns nothing of the others
  const order = request.methods.toSorted((a, b) => Number(a === 'totp') - Number(b === 'totp'))
  const same = (next: Pick<User, 'id' | 'options'>) => {
    if (user !== undefined && user.id !== next.id) unauthenticated(wrong)
    user = next
  }
  for (const method of order) {
    if (method === 'password') same(await byPassword(db, request.password))
    else if (method === 'token') {
      const resolved = await reader.read(request.token?.id ?? invalid('Expecting to find token in identity.'))
      parent = resolved.claims
      if (parent.scope.kind === 'trust' || parent.scope.kind === 'oauth')
        forbidden('A token that was delegated cannot be exchanged for another one.')
      same({ id: parent.userId, options: {} })
      for (const each of parent.methods) methods.add(each)
      if (parent.applicationCredentialId !== undefined && 'id' in parent.scope)
        applicationCredential = { id: parent.applicationCredentialId, projectId: parent.scope.id }
    } else if (method === 'application_credential') {
      const found = await byApplicationCredential(db, request.applicationCredential)
      same({ id: found.userId, options: {} })
      applicationCredential = found
    } else if (method === 'oauth1') {
      accessToken = await signedByAccessToken(request.oauth1 ?? unauthenticated(wrong))
      same({ id: accessToken.userId, options: {} })
    } else if (method === 'totp') {
      if (user === undefined) unauthenticated(wrong)
      same(await byTotp(db, request.totp))
    } else throw new Fault('unauthenticated', `The authentication method ${method.slice(0, 60)} is not enabled.`)
    methods.add(method)
  }
  if (user === undefined) return unauthenticated(wrong)
  requireFactors(user.options, methods)
  return {
    userId: user.id,
    methods: authMethods.filter((each) => methods.has(each)),
    parent,
    applicationCredential,
    accessToken,
  }
}

/** A user with rules for several factors must have given all those of one rule. */
function requireFactors(options: Record<string, unknown>, methods: ReadonlySet<string>): void {
  const rules = options['multi_factor_auth_rules'] as string[][] | undefined
  if (options['multi_factor_auth_enabled'] !== true || !rules || rules.length === 0) return
  if (!rules.some((rule) => rule.every((method) => methods.has(method)))) unauthenticated(wrong)
}

async function chooseScope(
  db: Db,
  { userId, applicationCredential, accessToken }: Proved,
  asked: ScopeRequest | undefined,
): Promise<TokenClaims['scope']> {
  if (accessToken) {
    const scope = asked === undefined ? undefined : await findScope(db, asked)
    if (scope && !(scope.kind === 'project' && scope.id === accessToken.projectId))
      unauthenticated('An access token is for its own project and for nothing else.')
    return { kind: 'oauth', id: accessToken.id }
  }
  if (applicationCredential) {
    const { projectId } = applicationCredential
    if (asked === undefined) return { kind: 'project', id: projectId }
    const scope = await findScope(db, asked)
    return scope.kind === 'project' && scope.id === projectId
      ? scope
      : unauthenticated('An application credential is for its own project and for nothing else.')
  }
  if (asked === undefined) return defaultScope(db, userId)
  const scope = await findScope(db, asked)
  if (scope.kind === 'trust') {
    const trust = await findUsableTrust(db, scope.id)
    if (!trust || trust.trusteeUserId !== userId) forbidden('This trust cannot be used by this user.')
  }
  return scope
}

async function useTrust(db: Database, id: string, remaining: number | null): Promise<void> {
  if (remaining === null) return
  if (!(await change(db, (tx) => consumeUse(tx, id)))) forbidden('The uses of this trust are used up.')
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
