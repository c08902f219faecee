// The token itself: what it stands for, packed into bytes and sealed with AES-256-GCM. Checking one needs a key and no
// query. Form: base64url of [key serial, 1 byte][iv, 12][ciphertext][tag, 16]; the plain text is written below.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { unauthenticated } from '#lib/fault.ts'
import type { Key } from '#lib/key-ring.ts'

export const authMethods = [
  'password',
  'token',
  'totp',
  'application_credential',
  'mapped',
  'oauth1',
  'external',
  'ec2credential',
] as const
export type AuthMethod = (typeof authMethods)[number]

export interface TokenClaims {
  userId: string
  scope: { kind: 'project' | 'domain' | 'trust' | 'oauth'; id: string } | { kind: 'system' | 'unscoped' }
  methods: AuthMethod[]
  /** The token's own audit id, then that of the first token of its chain. */
  auditIds: string[]
  issuedAtMs: number
  expiresAtMs: number
  applicationCredentialId?: string
}

const scopeKinds = ['unscoped', 'project', 'domain', 'system', 'trust', 'oauth'] as const
const noText = ''

// The first byte of the plain text. A receipt says which proofs its user has given; it is not a token.
const layouts = { token: 1, receipt: 2 } as const
type Kind = keyof typeof layouts

/** Seals with the newest key. */
export function seal(claims: TokenClaims, key: Key, as: Kind = 'token'): string {
  const scopeId = 'id' in claims.scope ? claims.scope.id : noText
  const head = Buffer.alloc(15)
  head.writeUInt8(layouts[as], 0)
  head.writeUIntBE(claims.issuedAtMs, 1, 6)
  head.writeUIntBE(claims.expiresAtMs, 7, 6)
  head.writeUInt8(
    claims.methods.reduce((bits, method) => bits | (1 << authMethods.indexOf(method)), 0),
    13,
  )
  head.writeUInt8(scopeKinds.indexOf(claims.scope.kind), 14)
  const texts = [claims.userId, scopeId, claims.applicationCredentialId ?? noText, ...claims.auditIds]
  const plain = Buffer.concat([head, ...texts.map(packText)])
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key.key, iv)
  const serial = Buffer.of(key.serial)
  cipher.setAAD(serial)
  return Buffer.concat([serial, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** The serial of the key that is said to have sealed it. */
export function keySerial(token: string): number | undefined {
  return Buffer.from(token.slice(0, 4), 'base64url')[0]
}

/** Opens a token, whichever of the keys sealed it. Throws unauthenticated for anything that is not one, or has expired. */
export function open(token: string, keys: readonly Key[], nowMs: number, as: Kind = 'token'): TokenClaims {
  if (token.length > 1000) unauthenticated()
  const bytes = Buffer.from(token, 'base64url')
  const key = keys.find(({ serial }) => serial === bytes[0])
  // one token has one spelling
  if (!key || bytes.length < 29 + 15 || bytes.toString('base64url') !== token) unauthenticated()
  const decipher = createDecipheriv('aes-256-gcm', key.key, bytes.subarray(1, 13))
  decipher.setAAD(bytes.subarray(0, 1))
  decipher.setAuthTag(bytes.subarray(-16))
  let plain: Buffer
  try {
    plain = Buffer.concat([decipher.update(bytes.subarray(13, -16)), decipher.final()])
  } catch {
    return unauthenticated()
  }
  const texts = unpackTexts(plain.subarray(15))
  const [userId = '', scopeId = '', applicationCredentialId = '', ...auditIds] = texts
  const kind = scopeKinds[plain[14]!]
  const expiresAtMs = plain.readUIntBE(7, 6)
  if (plain[0] !== layouts[as] || kind === undefined || expiresAtMs <= nowMs) unauthenticated()
  return {
    userId,
    scope: kind === 'system' || kind === 'unscoped' ? { kind } : { kind, id: scopeId },
    methods: authMethods.filter((_, i) => plain[13]! & (1 << i)),
    auditIds,
    issuedAtMs: plain.readUIntBE(1, 6),
    expiresAtMs,
    ...(applicationCredentialId && { applicationCredentialId }),
  }
}

// A text is [length][bytes]; 32 hex digits, the usual id, become 16 bytes behind the length 255.
const hexId = /^[0-9a-f]{32}$/
function packText(text: string): Buffer {
  if (hexId.test(text)) return Buffer.concat([Buffer.of(255), Buffer.from(text, 'hex')])
  const bytes = Buffer.from(text)
  if (bytes.length > 254) throw new Error('a text in a token is longer than 254 bytes')
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}
function unpackTexts(bytes: Buffer): string[] {
  const texts: string[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at++]!
    const size = length === 255 ? 16 : length
    texts.push(bytes.subarray(at, at + size).toString(length === 255 ? 'hex' : 'utf8'))
    at += size
  }
  return texts
}

/** A new audit id: 16 random bytes, base64url. */
export function newAuditId(): string {
  return randomBytes(16).toString('base64url')
}
