// How a request for a token is answered: prove who it is (methods), find what it is for (scope), seal.
import type { Database, Db } from '#lib/db.ts'
import { Fault, forbidden, invalid, unauthenticated } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { change } from '../change.ts'
import type { User } from '../model.ts'
import type { AccessToken } from '../oauth/model.ts'
import { type SignedBy, signedByAccessToken } from '../oauth/verify.ts'
import { consumeUse, findUsableTrust } from '../trusts/model.ts'
import { noteSignIn, type SignIn } from '../users/sign-in.ts'
import {
  type ApplicationCredentialProof,
  byApplicationCredential,
  byPassword,
  byTotp,
  type PasswordProof,
  type Proved,
  type TotpProof,
  wrong,
} from './methods.ts'
import { makeReceipt, readReceipt, type Receipt } from './receipt.ts'
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
  /** For proofs that were given before. */
  receipt?: string | undefined
  /** Where the request comes from. */
  address: string
}

export interface Issued {
  token: string
  resolved: ResolvedToken
}

/** Somebody who was proved to be a user, and how. */
export interface Proof {
  user: Pick<User, 'id' | 'options'>
  methods: AuthMethod[]
  parent: TokenClaims | undefined
  applicationCredential: { id: string; projectId: string } | undefined
  accessToken: AccessToken | undefined
  signIns: SignIn[]
}

/**
 * A token for the one who proves to be a user, or a receipt for one who has to prove it in further ways. Throws
 * unauthenticated, whatever of it was wrong.
 */
export async function issueToken(world: World, reader: TokenReader, request: AuthRequest): Promise<Issued | Receipt> {
  return issueProved(world, reader, await prove(world, reader, request), request.scope)
}

/** The same for one who was proved to be a user elsewhere. */
export async function issueProved(
  world: World,
  reader: TokenReader,
  proved: Proof,
  asked: ScopeRequest | undefined,
): Promise<Issued | Receipt> {
  const { db } = world
  const rules = missingFactors(proved)
  if (rules) return makeReceipt(db, reader, { userId: proved.user.id, methods: proved.methods, rules })
  for (const signIn of proved.signIns) await noteSignIn(db, signIn)
  const scope = await chooseScope(db, proved, asked)
  const now = Date.now()
  const claims: TokenClaims = {
    userId: proved.user.id,
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

// Names by which Keystone takes a federated token for another one.
const exchanges = new Set(['mapped', 'saml2'])

async function prove(world: World, reader: TokenReader, request: AuthRequest): Promise<Proof> {
  const { db } = world
  const asking = { world, address: request.address }
  let user: Proof['user'] | undefined
  let parent: TokenClaims | undefined
  let applicationCredential: Proof['applicationCredential']
  let accessToken: Proof['accessToken']
  const signIns: SignIn[] = []
  const methods = new Set<AuthMethod>()
  const same = (next: Proof['user']) => {
    if (user !== undefined && user.id !== next.id) unauthenticated(wrong)
    // who comes with a token brings no options: rules are asked of new proofs
    user = { id: next.id, options: { ...user?.options, ...next.options } }
  }
  const signedIn = ({ user: next, signIn }: Proved) => {
    same(next)
    signIns.push(signIn)
  }
  if (request.receipt !== undefined) {
    const receipt = await readReceipt(db, reader, request.receipt)
    same({ id: receipt.userId, options: {} })
    for (const each of receipt.methods) methods.add(each)
  }
  // the slow proof first: whoever fails it learns nothing of the others
  const order = request.methods.toSorted((a, b) => Number(a === 'totp') - Number(b === 'totp'))
  for (const method of order) {
    if (method === 'password') signedIn(await byPassword(asking, request.password))
    else if (method === 'token' || exchanges.has(method)) {
      const resolved = await reader.read(request.token?.id ?? invalid('Expecting to find token in identity.'))
      parent = resolved.claims
      if (parent.scope.kind === 'trust' || parent.scope.kind === 'oauth')
        forbidden('A token that was delegated cannot be exchanged for another one.')
      same({ id: parent.userId, options: {} })
      for (const each of parent.methods) methods.add(each)
      if (parent.applicationCredentialId !== undefined && 'id' in parent.scope)
        applicationCredential = { id: parent.applicationCredentialId, projectId: parent.scope.id }
    } else if (method === 'application_credential') {
      const found = await byApplicationCredential(asking, request.applicationCredential)
      same({ id: found.userId, options: {} })
      applicationCredential = found
    } else if (method === 'oauth1') {
      accessToken = await signedByAccessToken(request.oauth1 ?? unauthenticated(wrong))
      same({ id: accessToken.userId, options: {} })
    } else if (method === 'totp') {
      if (user === undefined) unauthenticated(wrong)
      signedIn(await byTotp(asking, request.totp))
    } else throw new Fault('unauthenticated', `The authentication method ${method.slice(0, 60)} is not enabled.`)
    methods.add(exchanges.has(method) ? 'token' : (method as AuthMethod))
  }
  if (user === undefined) return unauthenticated(wrong)
  return {
    user,
    methods: authMethods.filter((each) => methods.has(each)),
    parent,
    applicationCredential,
    accessToken,
    signIns,
  }
}

/** The rules of a user who has to prove more than was proved; undefined when all of one rule was given. */
function missingFactors({ user: { options }, methods }: Proof): string[][] | undefined {
  const rules = options['multi_factor_auth_rules'] as string[][] | undefined
  if (options['multi_factor_auth_enabled'] !== true || !rules || rules.length === 0) return undefined
  const given = new Set<string>(methods)
  return rules.some((rule) => rule.every((method) => given.has(method))) ? undefined : rules
}

async function chooseScope(
  db: Db,
  { user: { id: userId }, applicationCredential, accessToken }: Proof,
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
