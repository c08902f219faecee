import { and, type Db, gte, lt, type Tx } from '#lib/db.ts'
import { tokenRevocation } from '../model.ts'
import type { TokenClaims } from './sealed.ts'

export type Revocation = typeof tokenRevocation.$inferSelect

/** How long after its end a token may still be shown to a service that asks for it, as Keystone's default. */
export const graceMs = 48 * 3_600_000

/** Voids one token. */
export async function revokeToken(tx: Tx, claims: TokenClaims): Promise<void> {
  const [auditId] = claims.auditIds
  if (auditId)
    await tx
      .insert(tokenRevocation)
      .values({ auditId, expiresAt: new Date(claims.expiresAtMs) })
      .onConflictDoNothing()
  // nobody can be shown these any more
  await tx.delete(tokenRevocation).where(lt(tokenRevocation.expiresAt, new Date(Date.now() - graceMs)))
}

/** The tokens that were revoked one by one, oldest first. */
export function listRevocations(db: Db, since: Date | undefined): Promise<Revocation[]> {
  return db
    .select()
    .from(tokenRevocation)
    .where(and(since && gte(tokenRevocation.revokedAt, since)))
    .orderBy(tokenRevocation.revokedAt)
}
