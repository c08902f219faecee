// How a host comes in: an operator makes a token, the host proves that it knows its secret, and is given the cloud's key.
import { randomBytes } from 'node:crypto'
import { type JoinReply, type JoinRequest, joinedText, joinText } from '@pileus/contract/agent.ts'
import { and, eq, first, sql, type Tx } from '#lib/db.ts'
import { conflict, invalid, unauthenticated } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { hmac, isEqual, type Keys, parsePublicKey } from './keys.ts'
import { kvmHost, kvmJoinToken } from './model.ts'

/** Good for so many hosts until it ends; it is shown once and kept nowhere. */
export async function makeJoinToken(
  tx: Tx,
  keys: Keys,
  wanted: { region: string; uses: number; seconds: number },
): Promise<{ token: string; id: string; expiresAt: Date }> {
  // hexadecimal: a token that began with a dash would be taken for a flag where it is typed
  const id = randomBytes(9).toString('hex')
  const expiresAt = new Date(Date.now() + wanted.seconds * 1000)
  await tx.insert(kvmJoinToken).values({ id, region: wanted.region, usesLeft: wanted.uses, expiresAt })
  return { token: `${id}.${keys.joinSecret(id)}`, id, expiresAt }
}

/**
 * Takes the host in. The same request again gets the same reply, for the first one may have been lost on its way; it
 * helps nobody else, for without the host's private key there is no greeting.
 */
export async function joinHost(tx: Tx, keys: Keys, region: string, request: JoinRequest): Promise<JoinReply> {
  const { tokenId, name, publicKey, proof } = request
  const secret = keys.joinSecret(tokenId)
  if (!isEqual(proof, hmac(secret, joinText(tokenId, name, publicKey)))) refuse()
  const token = first(
    await tx
      .select()
      .from(kvmJoinToken)
      .where(and(eq(kvmJoinToken.id, tokenId), eq(kvmJoinToken.region, region)))
      .for('update'),
  )
  if (!token || token.expiresAt.getTime() < Date.now()) return refuse()
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name))
    invalid(`A host cannot be named ${JSON.stringify(name)}: use letters, digits, dots, dashes and underscores.`)
  if (!parsePublicKey(publicKey)) invalid('The public key is not an Ed25519 key in SPKI DER form.')
  const known = first(
    await tx
      .select()
      .from(kvmHost)
      .where(and(eq(kvmHost.region, region), eq(kvmHost.name, name))),
  )
  const replyFor = (hostId: string): JoinReply => ({
    hostId,
    serverKey: keys.publicKey,
    proof: hmac(secret, joinedText(hostId, keys.publicKey, publicKey)),
  })
  if (known && known.publicKey === publicKey && known.joinedBy === tokenId) return replyFor(known.id)
  if (token.usesLeft < 1) return refuse()
  await tx
    .update(kvmJoinToken)
    .set({ usesLeft: sql`${kvmJoinToken.usesLeft} - 1` })
    .where(eq(kvmJoinToken.id, tokenId))
  if (known && known.publicKey !== publicKey)
    return conflict(`A host named ${name} is there already; remove it first, or give this one another name.`)
  if (known) return replyFor(known.id)
  const [made] = await tx
    .insert(kvmHost)
    .values({ id: newId(), region, name, publicKey, joinedBy: tokenId })
    .onConflictDoNothing()
    .returning()
  return made ? replyFor(made.id) : conflict(`A host named ${name} is joining already.`)
}

function refuse(): never {
  return unauthenticated('The join token is wrong, used up or has expired; make a new one.')
}
