// Who this host is: an Ed25519 key of its own, and what it learned when it joined.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { signedText } from '@pileus/contract/agent.ts'
import { type Static, Type } from 'typebox'
import Value from 'typebox/value'
import { readIfAny, writeWhole } from '../files.ts'

const Membership = Type.Object({
  hostId: Type.String(),
  name: Type.String(),
  server: Type.String(),
  /** Ed25519, SPKI DER in base64url. Pinned: whoever cannot sign with it is not obeyed. */
  serverKey: Type.String(),
})
/** What joining left behind in `agent.json`. */
export type Membership = Static<typeof Membership>

/** The agent's key; made at the first start. */
export async function loadKey(dataDir: string): Promise<KeyObject> {
  const path = join(dataDir, 'agent.key')
  const pem = await readIfAny(path)
  if (pem !== undefined) return createPrivateKey(pem)
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeWhole(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600)
  return privateKey
}

export async function findMembership(dataDir: string): Promise<Membership | undefined> {
  const text = await readIfAny(join(dataDir, 'agent.json'))
  return text === undefined ? undefined : Value.Parse(Membership, JSON.parse(text))
}

export async function saveMembership(dataDir: string, membership: Membership): Promise<void> {
  await writeWhole(join(dataDir, 'agent.json'), `${JSON.stringify(membership, null, 2)}\n`)
}

/** SPKI DER in base64url. */
export function publicKeyOf(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64url')
}

export function signText(key: KeyObject, text: string): string {
  return sign(null, Buffer.from(text), key).toString('base64url')
}

/** False for a wrong signature and for anything that is not a key or a signature at all. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64url'), format: 'der', type: 'spki' })
    return (
      key.asymmetricKeyType === 'ed25519' && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
    )
  } catch {
    return false
  }
}

/** The `Authorization` header of a plain HTTP request of this host. */
export function authorization(
  key: KeyObject,
  hostId: string,
  method: string,
  path: string,
  nowMs = Date.now(),
): string {
  const seconds = Math.floor(nowMs / 1000)
  return `Pileus-Agent ${hostId}.${seconds}.${signText(key, signedText(method, path, hostId, seconds))}`
}
