// Time-based one-time passwords (RFC 6238): HMAC-SHA1, 30 seconds, 6 digits; the seed is a credential of the type totp.
import { createHmac } from 'node:crypto'

const stepMs = 30_000

/** The code for a moment. `seed` is base32 (RFC 4648), with or without padding; undefined when it is not. */
export function totpCode(seed: string, atMs: number): string | undefined {
  const key = fromBase32(seed)
  if (!key || key.length === 0) return undefined
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(atMs / stepMs)))
  const mac = createHmac('sha1', key).update(counter).digest()
  const number = mac.readUInt32BE(mac[19]! & 0xf) & 0x7fff_ffff
  return String(number % 1_000_000).padStart(6, '0')
}

/** Whether it is the code of now or of the step before. */
export function isTotpCode(seed: string, code: string, nowMs: number): boolean {
  return [0, stepMs].some((ago) => totpCode(seed, nowMs - ago) === code)
}

function fromBase32(text: string): Buffer | undefined {
  const digits = text.replaceAll(/[\s=]/g, '').toUpperCase()
  if (!/^[A-Z2-7]+$/.test(digits)) return undefined
  const bits = Array.from(digits, (c) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'),
  ).join('')
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [])
}
