import { invalid } from '#lib/fault.ts'
import { bitsOf, type Cidr, compact, formatCidr, parseCidr } from '../addresses.ts'

/** The prefixes of a pool, merged; all of one version. Throws invalid. */
export function readPrefixes(texts: readonly string[]): { version: 4 | 6; cidrs: Cidr[] } {
  const cidrs = texts.map((text) => {
    const cidr = parseCidr(text)
    if (!cidr || !text.includes('/')) return invalid(`'${text}' is not a valid CIDR.`, { code: 'InvalidInput' })
    return cidr
  })
  const [one] = cidrs
  if (!one) return invalid('A subnet pool needs at least one prefix.', { code: 'EmptySubnetPoolPrefixList' })
  if (cidrs.some(({ version }) => version !== one.version))
    invalid('Cannot mix IPv4 and IPv6 prefixes in a subnet pool.', { code: 'PrefixVersionMismatch' })
  return { version: one.version, cidrs: compact(cidrs) }
}

export interface Lengths {
  min: number
  max: number
  default: number
}

/** Prefix lengths with Neutron's defaults. Throws invalid. */
export function readLengths(version: 4 | 6, given: { min?: number; max?: number; default?: number }): Lengths {
  const bits = bitsOf(version)
  const min = given.min ?? (version === 4 ? 8 : 64)
  const max = given.max ?? bits
  const byDefault = given.default ?? min
  const fail = (message: string) => invalid(message, { code: 'IllegalSubnetPoolPrefixBounds' })
  if (min > bits || (version === 6 && min < 1) || min < 0) fail(`min_prefixlen ${min} is out of range.`)
  if (max > bits) fail(`max_prefixlen ${max} is larger than ${bits}.`)
  if (min > max) fail(`Illegal prefix bounds: min_prefixlen=${min}, max_prefixlen=${max}.`)
  if (byDefault < min) fail(`Illegal prefix bounds: min_prefixlen=${min}, default_prefixlen=${byDefault}.`)
  if (byDefault > max) fail(`Illegal prefix bounds: max_prefixlen=${max}, default_prefixlen=${byDefault}.`)
  return { min, max, default: byDefault }
}

export function formatPrefixes(cidrs: readonly Cidr[]): string[] {
  return cidrs.map(formatCidr)
}
