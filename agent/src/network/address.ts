// IP and MAC addresses as text: the few sums that rendering needs.
import { isIP } from 'node:net'

export const versionOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)

/** One spelling for each address: IPv6 in RFC 5952 form. Throws when it is no address. */
export function canonical(address: string): string {
  if (isIP(address) === 0) throw new Error(`"${address}" is no IP address`)
  if (versionOf(address) === 4) return address
  return new URL(`http://[${address}]/`).hostname.slice(1, -1)
}

/** `address/prefix` taken apart; a bare address is a host (/32, /128). Throws when it is neither. */
export function parseCidr(cidr: string): { address: string; prefix: number; version: 4 | 6 } {
  const [text = '', bits] = cidr.split('/')
  const address = canonical(text)
  const version = versionOf(address)
  const width = version === 4 ? 32 : 128
  const prefix = bits === undefined ? width : Number(bits)
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > width) throw new Error(`"${cidr}" has no good prefix length`)
  return { address, prefix, version }
}

/** The address as one number. */
export function toNumber(address: string): bigint {
  const text = canonical(address)
  if (versionOf(text) === 4) return text.split('.').reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  const [head = '', rest] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = rest === undefined || rest === '' ? [] : rest.split(':')
  const words = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return words.reduce((sum, word) => sum * 65536n + BigInt(`0x${word}`), 0n)
}

function fromNumber(value: bigint, version: 4 | 6): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.')
  const words = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 65535n).toString(16))
  return canonical(words.join(':'))
}

/** The first address of the range: 10.0.0.7/24 becomes 10.0.0.0. */
export function networkAddress(cidr: string): string {
  const { address, prefix, version } = parseCidr(cidr)
  const hostBits = BigInt((version === 4 ? 32 : 128) - prefix)
  return fromNumber((toNumber(address) >> hostBits) << hostBits, version)
}

export function contains(cidr: string, address: string): boolean {
  const { address: base, prefix, version } = parseCidr(cidr)
  if (versionOf(address) !== version) return false
  const hostBits = BigInt((version === 4 ? 32 : 128) - prefix)
  return toNumber(base) >> hostBits === toNumber(address) >> hostBits
}

/** 24 becomes 255.255.255.0. */
export function netmask(prefix: number): string {
  const bits = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.')
}

/** The link-local address a MAC makes by EUI-64 (RFC 4291, appendix A). */
export function linkLocal(mac: string): string {
  const bytes = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16)
  return canonical(`fe80::${hex(a ^ 2, b)}:${hex(c, 0xff)}:${hex(0xfe, d)}:${hex(e, f)}`)
}

const macPattern = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/
/** Lower case, and certainly a MAC: it goes into commands. */
export function canonicalMac(mac: string): string {
  const lower = mac.toLowerCase()
  if (!macPattern.test(lower)) throw new Error(`"${mac}" is no MAC address`)
  return lower
}
