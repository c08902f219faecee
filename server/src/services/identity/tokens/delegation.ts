// What limits a token that acts by a trust, an application credential or the access token of a consumer.
import { type AccessRule } from '#lib/actor.ts'
import type { Db } from '#lib/db.ts'
import { unauthenticated } from '#lib/fault.ts'
import { findApplicationCredential, listAccessRulesById } from '../application-credentials/model.ts'
import { type AccessToken, findAccessToken } from '../oauth/model.ts'
import { withImplied } from '../roles/model.ts'
import { findTrust, originOf, type Trust } from '../trusts/model.ts'
import type { TokenClaims } from './sealed.ts'

export interface Delegation {
  /** Of these roles only those that the giver still has. */
  roleIds: readonly string[]
  trust?: Trust
  accessToken?: AccessToken
  /** Where a trust or an access token acts; null: nowhere. */
  projectId?: string | null
  /** Users that must be able to sign in, besides the token's own. */
  alive: readonly string[]
  /** Whose roles they are. */
  giver: string
  /** Who the token says it is. */
  shownUserId: string
  applicationCredential?: {
    id: string
    name: string
    restricted: boolean
    accessRules: AccessRule[] | undefined
    expiresAtMs: number
  }
}

/** undefined for a token that is not delegated. Throws unauthenticated when what it was made from is gone or has ended. */
export async function readDelegation(db: Db, claims: TokenClaims): Promise<Delegation | undefined> {
  if (claims.scope.kind === 'trust') {
    const trust = await findTrust(db, claims.scope.id)
    if (!trust || trust.trusteeUserId !== claims.userId || ended(trust.expiresAt)) return unauthenticated()
    const giver = await originOf(db, trust)
    return {
      roleIds: trust.roleIds,
      trust,
      projectId: trust.projectId,
      alive: [...new Set([trust.trustorUserId, trust.trusteeUserId, giver])],
      giver,
      shownUserId: trust.impersonation ? trust.trustorUserId : trust.trusteeUserId,
    }
  }
  if (claims.scope.kind === 'oauth') {
    const accessToken = await findAccessToken(db, claims.scope.id)
    if (!accessToken || accessToken.userId !== claims.userId) return unauthenticated()
    return {
      roleIds: await withImplied(db, accessToken.roleIds),
      accessToken,
      projectId: accessToken.projectId,
      alive: [],
      giver: claims.userId,
      shownUserId: claims.userId,
    }
  }
  if (claims.applicationCredentialId === undefined) return undefined
  const row = await findApplicationCredential(db, claims.applicationCredentialId)
  if (!row || row.userId !== claims.userId || ended(row.expiresAt)) return unauthenticated()
  return {
    roleIds: row.roleIds,
    alive: [],
    giver: claims.userId,
    shownUserId: claims.userId,
    applicationCredential: {
      id: row.id,
      name: row.name,
      restricted: !row.unrestricted,
      expiresAtMs: row.expiresAt?.getTime() ?? Infinity,
      accessRules:
        row.accessRuleIds === null
          ? undefined
          : (await listAccessRulesById(db, row.accessRuleIds)).map(({ service, method, path }) => ({
              service,
              method,
              path,
            })),
    },
  }
}

const ended = (at: Date | null) => at !== null && at.getTime() <= Date.now()
