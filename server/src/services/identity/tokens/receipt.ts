// A receipt: what a user who needs several proofs gets for those that were right, to go on with the others. It is sealed
// as a token is, and is none.
import { type Db, eq } from '#lib/db.ts'
import { unauthenticated } from '#lib/fault.ts'
import { project, user } from '../model.ts'
import { keystoneTime } from '../time.ts'
import type { TokenReader } from './resolve.ts'
import { type AuthMethod, newAuditId, open, seal, type TokenClaims } from './sealed.ts'

/** How long there is for the other proofs, as Keystone's default. */
const receiptMs = 300_000

export interface Receipt {
  sealed: string
  body: Record<string, unknown>
}

/** `rules`: the user's; each names proofs that are enough together. */
export async function makeReceipt(
  db: Db,
  reader: TokenReader,
  given: { userId: string; methods: AuthMethod[]; rules: readonly (readonly string[])[] },
): Promise<Receipt> {
  const now = Date.now()
  const claims: TokenClaims = {
    userId: given.userId,
    scope: { kind: 'unscoped' },
    methods: given.methods,
    auditIds: [newAuditId()],
    issuedAtMs: now,
    expiresAtMs: now + receiptMs,
  }
  const [key] = await reader.keys()
  if (!key) throw new Error('there is no token key: the database was not prepared')
  const [who] = await db
    .select({ name: user.name, domainId: project.id, domainName: project.name })
    .from(user)
    .innerJoin(project, eq(project.id, user.domainId))
    .where(eq(user.id, given.userId))
  if (!who) return unauthenticated()
  return {
    sealed: seal(claims, key, 'receipt'),
    body: {
      receipt: {
        methods: claims.methods,
        user: { id: given.userId, name: who.name, domain: { id: who.domainId, name: who.domainName } },
        expires_at: keystoneTime(claims.expiresAtMs),
        issued_at: keystoneTime(claims.issuedAtMs),
      },
      required_auth_methods: given.rules,
    },
  }
}

/** Throws unauthenticated for one that has expired, or is older than the user's password. */
export async function readReceipt(db: Db, reader: TokenReader, sealed: string): Promise<TokenClaims> {
  const claims = open(sealed, await reader.keys(), Date.now(), 'receipt')
  const [row] = await db
    .select({ enabled: user.enabled, options: user.options, validFrom: user.tokensValidFrom })
    .from(user)
    .where(eq(user.id, claims.userId))
  return row?.enabled && row.validFrom.getTime() <= claims.issuedAtMs ? claims : unauthenticated()
}
