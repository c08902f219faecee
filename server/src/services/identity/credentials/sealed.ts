// Credentials are kept sealed with AES-256-GCM: [iv, 12][ciphertext][tag, 16], bound to the row's id.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Key } from '../keys.ts'

export function sealText(text: string, id: string, { key }: Key): Buffer {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(Buffer.from(id))
  return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** Throws an Error when it was not sealed by this key for this id. */
export function openText(bytes: Buffer, id: string, { key }: Key): string {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAAD(Buffer.from(id))
  decipher.setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8')
}
