// SSH keys: reading public ones (RFC 4253 §6.6, RFC 5656, RFC 8709) and making Ed25519 pairs in OpenSSH's own format
// (PROTOCOL.key of OpenSSH).
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { invalid } from '#lib/fault.ts'

const types = new Set([
  'ssh-rsa',
  'ssh-dss',
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
])

/** The MD5 fingerprint ('1e:2c:…') of an OpenSSH public key line. Throws invalid when it is none. */
export function sshFingerprint(publicKey: string): string {
  const [type = '', data = ''] = publicKey.trim().split(/\s+/)
  const blob = Buffer.from(data, 'base64')
  const inner = blob.length >= 4 ? blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1') : ''
  if (publicKey.trim().includes('\n') || !types.has(type) || inner !== type || blob.length < 32)
    invalid('Keypair data is invalid: the public key is not one line in OpenSSH form (<type> <base64> [comment]).')
  return colons(createHash('md5').update(blob).digest('hex'))
}

export function colons(hex: string): string {
  return hex.match(/../g)!.join(':')
}

/** A new Ed25519 pair: the line for authorized_keys and the file for ssh -i. */
export function makeSshPair(comment: string): { publicKey: string; privateKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url')
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url')
  const type = 'ssh-ed25519'
  const blob = Buffer.concat([text(type), text(raw)])
  const check = randomBytes(4)
  const secret = Buffer.concat([check, check, text(type), text(raw), text(Buffer.concat([seed, raw])), text(comment)])
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1))
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    Buffer.from([0, 0, 0, 1]),
    text(blob),
    text(Buffer.concat([secret, padding])),
  ])
  const lines = file.toString('base64').match(/.{1,70}/g)!
  return {
    publicKey: `${type} ${blob.toString('base64')} ${comment}`,
    privateKey: ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'),
  }
}

function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
