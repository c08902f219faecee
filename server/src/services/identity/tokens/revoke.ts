import type { Tx } from '#lib/db.ts'
import { tokenRevocation } from '../model.ts'
import type { TokenClaims } from './sealed.ts'

/** Voids one token. Whoever commits this publishes 'identity', so that every process forgets what it knew. */
export async function revokeToken(tx: Tx, claims: TokenClaims): Promise<void> {
  const [auditId] = claims.auditIds
  if (auditId)
    await tx
      .insert(tokenRevocation)
      .values({ auditId, expiresAt: new Date(claims.expiresAtMs) })
      .onConflictDoNothing()
}
