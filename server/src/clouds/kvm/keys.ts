// The cloud's own keys towards its hosts: rows, so that every process and every restart has the same.
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { type Database, type Db, sql } from '#lib/db.ts'

export interface Keys {
  /** Ed25519, SPKI DER in base64url. */
  readonly publicKey: string
  sign(text: string): string
  /** The secret of a join token, from its id. */
  joinSecret(tokenId: string): string
}

const signing = 'agent-server'
const joining = 'agent-join'

/** Makes them when there are none yet. */
export async function loadKeys(db: Database): Promise<Keys> {
  const found = await read(db)
  if (found) return found
  await db.transaction(async (tx) => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const der = privateKey.export({ type: 'pkcs8', format: 'der' })
    await tx.rows(sql`
      insert into secret (name, serial, value) values (${signing}, 1, ${der}), (${joining}, 1, ${randomBytes(32)})
      on conflict do nothing`)
  })
  const made = await read(db)
  if (!made) throw new Error('the keys towards the hosts cannot be read back')
  return made
}

async function read(db: Db): Promise<Keys | undefined> {
  const rows = await db.rows<{ name: string; value: Uint8Array }>(
    sql`select name, value from secret where name in (${signing}, ${joining}) and serial = 1`,
  )
  const valueOf = (name: string) => rows.find((row) => row.name === name)?.value
  const [der, joinKey] = [valueOf(signing), valueOf(joining)]
  if (!der || !joinKey) return undefined
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  return {
    publicKey: publicKeyOf(key),
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64url'),
    joinSecret: (tokenId) => hmac(joinKey, `join token\n${tokenId}`),
  }
}

/** SPKI DER in base64url. */
export function publicKeyOf(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64url')
}

/** base64url HMAC-SHA256. */
export function hmac(secret: string | Uint8Array, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url')
}

export function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** An Ed25519 public key in the form of the protocol; undefined for anything else. */
export function parsePublicKey(publicKey: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64url'), format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ed25519' ? key : undefined
  } catch {
    return undefined
  }
}

/** False for a wrong signature and for anything that is none. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  const key = parsePublicKey(publicKey)
  return key !== undefined && verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
}
