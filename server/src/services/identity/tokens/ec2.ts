import type { Database } from '#lib/db.ts'
import { unauthenticated } from '#lib/fault.ts'
import type { World } from '#lib/world.ts'
import { type Credential, findCredential, idOfAccess } from '../credentials/model.ts'
import { findTrust } from '../trusts/model.ts'
import { type Issued, sealed } from './issue.ts'
import type { TokenReader } from './resolve.ts'
import { newAuditId } from './sealed.ts'
import { sameSignature } from './signature.ts'

/** How long a signed request is good for, as Keystone's default. */
const lifeMs = 15 * 60_000

export interface Ec2Proof {
  access: string
  signature: string
  /** When the request says it was signed. */
  signedAt: Date | undefined
  /** What the signature must be, given the secret key; several where clients differ. */
  expected: (secret: string) => (string | undefined)[]
}

interface Ec2Keys {
  secret?: string
  trust_id?: string | null
  app_cred_id?: string | null
}
/** What a credential says of its keys; nothing when it is of another type. */
export function ec2Keys(row: Credential): Ec2Keys {
  return row.type === 'ec2' ? (JSON.parse(row.blob) as Ec2Keys) : {}
}

/** A token for whoever holds the secret key. Throws unauthenticated, whatever of it was wrong. */
export async function issueByEc2(world: World, reader: TokenReader, proof: Ec2Proof): Promise<Issued> {
  const { db } = world
  const row = await findCredential(db, idOfAccess(proof.access))
  const blob = row ? ec2Keys(row) : {}
  // an unknown key is compared too, so that it takes as long
  const right = proof
    .expected(blob.secret ?? 'none')
    .some((each) => each !== undefined && sameSignature(each, proof.signature))
  if (!row || blob.secret === undefined || !right || row.projectId === null) return unauthenticated()
  if (proof.signedAt && Math.abs(Date.now() - proof.signedAt.getTime()) > lifeMs) unauthenticated()
  const now = Date.now()
  return sealed(reader, db, {
    ...(await standsFor(db, row, blob)),
    methods: ['ec2credential'],
    auditIds: [newAuditId()],
    issuedAtMs: now,
    expiresAtMs: now + world.config.tokenHours * 3_600_000,
  })
}

/** A key made with a delegated token gives no more than that token did. */
export async function standsFor(db: Database, row: Credential, blob: Ec2Keys) {
  if (blob.trust_id) {
    const trust = await findTrust(db, blob.trust_id)
    const shown = trust?.impersonation ? trust.trustorUserId : trust?.trusteeUserId
    if (!trust || trust.projectId !== row.projectId || shown !== row.userId) return unauthenticated()
    return { userId: trust.trusteeUserId, scope: { kind: 'trust' as const, id: trust.id } }
  }
  return {
    userId: row.userId,
    scope: { kind: 'project' as const, id: row.projectId ?? '' },
    ...(blob.app_cred_id && { applicationCredentialId: blob.app_cred_id }),
  }
}
