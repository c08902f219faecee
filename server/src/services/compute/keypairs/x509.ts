// Certificates for guests that know users by certificate (WinRM): reading one, and making a self-signed one (RFC 5280,
// written in DER by hand: one fixed form needs no library).
import { createSign, generateKeyPair, randomBytes, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { invalid } from '#lib/fault.ts'

/** The SHA-1 fingerprint of a PEM certificate. Throws invalid when it is none. */
export function x509Fingerprint(pem: string): string {
  try {
    return new X509Certificate(pem).fingerprint.toLowerCase()
  } catch {
    return invalid('Keypair data is invalid: the public key is not an X.509 certificate in PEM form.')
  }
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const size = body.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: Buffer[]) => der(0x30, ...parts)
const utf8 = (value: string) => der(0x0c, Buffer.from(value))
function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 127]
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128)
    bytes.push(...groups)
  }
  return der(0x06, Buffer.from(bytes))
}
const time = (at: Date) => der(0x18, Buffer.from(`${at.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`))

/** A new RSA key with a certificate for client authentication that names the user, good for ten years. */
export async function makeX509Pair(userId: string): Promise<{ certificate: string; privateKey: string }> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const algorithm = sequence(oid('1.2.840.113549.1.1.11'), Buffer.from([5, 0])) // sha256WithRSAEncryption
  const name = sequence(der(0x31, sequence(oid('2.5.4.3'), utf8(userId.slice(0, 64)))))
  const now = new Date()
  const until = new Date(now)
  until.setUTCFullYear(now.getUTCFullYear() + 10)
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 1
  // the user's name in Windows' form: otherName userPrincipalName (1.3.6.1.4.1.311.20.2.3)
  const principal = der(0xa0, oid('1.3.6.1.4.1.311.20.2.3'), der(0xa0, utf8(`${userId}@localhost`)))
  const extensions = der(
    0xa3,
    sequence(
      sequence(oid('2.5.29.37'), der(0x04, sequence(oid('1.3.6.1.5.5.7.3.2')))),
      sequence(oid('2.5.29.17'), der(0x04, sequence(principal))),
    ),
  )
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    name,
    sequence(time(now), time(until)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  )
  const signature = createSign('sha256').update(body).sign(privateKey)
  const certificate = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature))
  const lines = certificate.toString('base64').match(/.{1,64}/g)!
  return {
    certificate: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}
