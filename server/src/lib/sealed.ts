// Secrets are kept sealed with AES-256-GCM: [iv, 12][ciphertext][tag, 16], bound to what they belong to (a row's id).
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Key } from '#lib/key-ring.ts'

export function sealBytes(bytes: Buffer, boundTo: string, { key }: Pick<Key, 'key'>): Buffer {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(Buffer.from(boundTo))
  return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

/** Throws an Error when it was not sealed by this key for this purpose. */
export function openBytes(sealed: Buffer, boundTo: string, { key }: Pick<Key, 'key'>): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(boundTo))
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
}

export function sealText(text: string, boundTo: string, key: Pick<Key, 'key'>): Buffer {
  return sealBytes(Buffer.from(text), boundTo, key)
}

/** Throws an Error when it was not sealed by this key for this purpose. */
export function openText(sealed: Buffer, boundTo: string, key: Pick<Key, 'key'>): string {
  return openBytes(sealed, boundTo, key).toString('utf8')
}
