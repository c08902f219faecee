// IPv4 and IPv6 arithmetic on BigInt: pure, knows no tables. Text forms: RFC 4291, RFC 5952 (canonical output).

export type IpVersion = 4 | 6
export interface Address {
  version: IpVersion
  value: bigint
}
/** `first` to `last` inclusive; `value` is the address that was written before the slash. */
export interface Cidr {
  version: IpVersion
  prefix: number
  value: bigint
  first: bigint
  last: bigint
}
export interface Range {
  start: bigint
  end: bigint
}

export const bitsOf = (version: IpVersion): number => (version === 4 ? 32 : 128)

/** Undefined for anything that is not exactly one address; leading zeros and zones are refused. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) {
    const value = parseV6(text)
    return value === undefined ? undefined : { version: 6, value }
  }
  const value = parseV4(text)
  return value === undefined ? undefined : { version: 4, value }
}

function parseV4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  let value = 0n
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined
    value = (value << 8n) | BigInt(part)
  }
  return value
}

function parseV6(text: string): bigint | undefined {
  let rest = text
  const lastColon = rest.lastIndexOf(':')
  if (rest.slice(lastColon + 1).includes('.')) {
    const low = parseV4(rest.slice(lastColon + 1))
    if (low === undefined) return undefined
    rest = `${rest.slice(0, lastColon + 1)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`
  }
  const halves = rest.split('::')
  if (halves.length > 2) return undefined
  const words = (half: string | undefined) => (half === undefined || half === '' ? [] : half.split(':'))
  const [head, tail] = [words(halves[0]), words(halves[1])]
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  let value = 0n
  for (const word of [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill('0'), ...tail]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(word)) return undefined
    value = (value << 16n) | BigInt(`0x${word}`)
  }
  return value
}

/** The canonical text; RFC 5952 for IPv6. */
export function formatAddress(version: IpVersion, value: bigint): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.')
  const words = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  let [start, length] = [0, 0]
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (words[i + run] === '0') run++
    if (run > length) [start, length] = [i, run]
  }
  if (length < 2) return words.join(':')
  return `${words.slice(0, start).join(':')}::${words.slice(start + length).join(':')}`
}

/** The canonical text of an address, or undefined when it is none. */
export function canonical(text: string): string | undefined {
  const parsed = parseAddress(text)
  return parsed && formatAddress(parsed.version, parsed.value)
}

/** `address/prefix`; without a prefix the single address. Undefined when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address) return undefined
  const bits = bitsOf(address.version)
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(prefixText)) return undefined
  const prefix = Number(prefixText)
  if (prefix > bits) return undefined
  const size = 1n << BigInt(bits - prefix)
  const first = address.value - (address.value % size)
  return { version: address.version, prefix, value: address.value, first, last: first + size - 1n }
}

/** For text that was checked before it was stored. */
export function cidrOf(text: string): Cidr {
  const parsed = parseCidr(text)
  if (!parsed) throw new Error(`not a CIDR: ${text}`)
  return parsed
}
/** For text that was checked before it was stored. */
export function valueOf(text: string): bigint {
  const parsed = parseAddress(text)
  if (!parsed) throw new Error(`not an address: ${text}`)
  return parsed.value
}

/** With the host part cleared. */
export function formatCidr({ version, first, prefix }: Pick<Cidr, 'version' | 'first' | 'prefix'>): string {
  return `${formatAddress(version, first)}/${prefix}`
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.version === b.version && a.first <= b.last && b.first <= a.last
}
export function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.version === inner.version && outer.first <= inner.first && inner.last <= outer.last
}
export function inCidr(cidr: Cidr, address: Address): boolean {
  return cidr.version === address.version && cidr.first <= address.value && address.value <= cidr.last
}

/** The addresses of a subnet that a machine may have: not IPv4's network and broadcast, not IPv6's anycast. */
export function usableRange({ version, prefix, first, last }: Cidr): Range {
  if (version === 4) return prefix >= 31 ? { start: first, end: last } : { start: first + 1n, end: last - 1n }
  return prefix === 128 ? { start: first, end: last } : { start: first + 1n, end: last }
}

/** All usable addresses without the gateway: what Neutron offers when nobody names pools. */
export function defaultPools(cidr: Cidr, gateway: bigint | undefined): Range[] {
  const { start, end } = usableRange(cidr)
  if (gateway === undefined || gateway < start || gateway > end) return [{ start, end }]
  return [
    { start, end: gateway - 1n },
    { start: gateway + 1n, end },
  ].filter((range) => range.start <= range.end)
}

/** The address that a machine with this MAC makes for itself (RFC 4291 appendix A) in a /64. */
export function eui64(cidr: Cidr, mac: string): string {
  const bytes = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const id = [bytes[0]! ^ 2, bytes[1]!, bytes[2]!, 0xff, 0xfe, bytes[3]!, bytes[4]!, bytes[5]!]
  const low = id.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
  return formatAddress(6, ((cidr.first >> 64n) << 64n) | low)
}

/** 24 → 255.255.255.0; IPv6 likewise in colons. */
export function netmask(version: IpVersion, prefix: number): string {
  const bits = BigInt(bitsOf(version))
  const ones = (1n << bits) - 1n
  return formatAddress(version, (ones << (bits - BigInt(prefix))) & ones)
}

/** How many addresses the ranges hold. */
export function sizeOf(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, { start, end }) => sum + end - start + 1n, 0n)
}

const macForm = /^([0-9a-f]{2})([:-][0-9a-f]{2}){5}$/i
/** Lower case with colons, or undefined when it is no unicast MAC address. */
export function canonicalMac(text: string): string | undefined {
  return macForm.test(text) ? text.toLowerCase().replaceAll('-', ':') : undefined
}

/** The fewest prefixes that cover the same addresses, in order. All are of one version. */
export function compact(cidrs: readonly Cidr[]): Cidr[] {
  const merged: Cidr[] = []
  for (const next of cidrs.toSorted((a, b) =>
    a.first === b.first ? a.prefix - b.prefix : a.first < b.first ? -1 : 1,
  )) {
    if (merged.some((each) => contains(each, next))) continue
    merged.push({ ...next, value: next.first })
    for (;;) {
      const [left, right] = merged.slice(-2)
      if (!left || !right || left.prefix !== right.prefix || left.last + 1n !== right.first) break
      const whole = cidrOf(`${formatAddress(left.version, left.first)}/${left.prefix - 1}`)
      if (whole.first !== left.first) break
      merged.splice(-2, 2, whole)
    }
  }
  return merged
}

/** The first prefix of this length inside `outer` that meets none of `taken`; undefined when there is none. */
export function firstFreePrefix(outer: Cidr, prefix: number, taken: readonly Cidr[]): Cidr | undefined {
  if (prefix < outer.prefix) return undefined
  const size = 1n << BigInt(bitsOf(outer.version) - prefix)
  let at = outer.first
  for (const { first, last } of taken.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    if (last < at) continue
    if (first >= at + size) break
    at = ((last + size) / size) * size
  }
  return at + size - 1n <= outer.last
    ? { version: outer.version, prefix, value: at, first: at, last: at + size - 1n }
    : undefined
}
