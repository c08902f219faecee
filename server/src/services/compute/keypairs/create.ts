import type { Tx } from '#lib/db.ts'
import { overQuota } from '#lib/fault.ts'
import { quotaLimits } from '#lib/quota.ts'
import { countKeypairs, insertKeypair, type Keypair } from './model.ts'
import { makeSshPair, sshFingerprint } from './ssh.ts'
import { makeX509Pair, x509Fingerprint } from './x509.ts'

export interface KeyWish {
  region: string
  projectId: string
  userId: string
  name: string
  type: 'ssh' | 'x509'
  /** Undefined: a pair is made. */
  publicKey: string | undefined
}

/** The public half, and the private one if we made it: it is shown once and never kept. Throws invalid. */
export async function keyMaterial({ type, publicKey, userId }: KeyWish) {
  if (type === 'ssh') {
    const made = publicKey === undefined ? makeSshPair('Generated-by-Pileus') : undefined
    const key = publicKey ?? made!.publicKey
    return { publicKey: key, privateKey: made?.privateKey, fingerprint: sshFingerprint(key) }
  }
  const made = publicKey === undefined ? await makeX509Pair(userId) : undefined
  const key = publicKey ?? made!.certificate
  return { publicKey: key, privateKey: made?.privateKey, fingerprint: x509Fingerprint(key) }
}

/** Keeps the key. Throws overQuota (key pairs belong to a user, the limit to the project asked from) and conflict. */
export async function createKeypair(
  tx: Tx,
  wish: KeyWish,
  material: { publicKey: string; fingerprint: string },
): Promise<Keypair> {
  const { region, projectId, userId, name, type } = wish
  const limit = (await quotaLimits(tx, { service: 'compute', region, projectId }))['key_pairs'] ?? -1
  if (limit >= 0 && (await countKeypairs(tx, region, userId)) >= limit)
    overQuota(`Quota exceeded, too many key pairs: the limit is ${limit}.`)
  const { publicKey, fingerprint } = material
  return insertKeypair(tx, { region, userId, name, type, publicKey, fingerprint })
}
