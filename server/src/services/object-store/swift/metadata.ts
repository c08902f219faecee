// Metadata in headers: X-<Kind>-Meta-<Name>, and X-Remove-<Kind>-Meta-<Name>.
import { fromHeader, refuse, toHeader } from './answer.ts'
import type { SwiftRequest } from './request.ts'

type Kind = 'account' | 'container' | 'object'
export const limits = { name: 128, value: 256, count: 90, overall: 4096 } as const

/** The metadata that a request names; '' removes (an object's is replaced as a whole, and '' is a value like others). Throws 400 beyond Swift's limits. */
export function readMetadata(sr: SwiftRequest, kind: Kind): Record<string, string> {
  const found: Record<string, string> = {}
  const [sets, removes] = [`x-${kind}-meta-`, `x-remove-${kind}-meta-`]
  for (const header of Object.keys(sr.headers)) {
    if (kind !== 'object' && header.startsWith(removes)) found[header.slice(removes.length).replaceAll('_', '-')] = ''
  }
  let overall = 0
  let count = 0
  for (const [header, raw] of Object.entries(sr.headers)) {
    if (!header.startsWith(sets)) continue
    // Swift's servers have never told the two apart
    const name = header.slice(sets.length).replaceAll('_', '-')
    const value = fromHeader(raw) ?? ''
    if (name === '') refuse(400, 'Metadata name cannot be empty')
    if (name.length > limits.name) refuse(400, `Metadata name too long: ${sets}${name}`)
    if (Buffer.byteLength(value) > limits.value)
      refuse(400, `Metadata value longer than ${limits.value}: ${sets}${name}`)
    if (value.includes('\0')) refuse(400, 'Metadata must not have the character U+0000')
    if (value !== '') {
      overall += name.length + Buffer.byteLength(value)
      count++
    }
    found[name] = value
  }
  if (count > limits.count) refuse(400, `Too many metadata items; max ${limits.count}`)
  if (overall > limits.overall) refuse(400, `Total metadata too large; max ${limits.overall}`)
  return found
}

export function metadataHeaders(kind: Kind, metadata: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [`X-${titled(kind)}-Meta-${titled(name)}`, toHeader(value)]),
  )
}

export function titled(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, (found) => found.toUpperCase())
}

// Given back as they came, with the bytes.
const kept = [
  'content-encoding',
  'content-disposition',
  'content-language',
  'cache-control',
  'expires',
  'x-robots-tag',
  'x-object-manifest',
]

export function readKeptHeaders(sr: SwiftRequest): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of kept) {
    const value = sr.header(name)
    if (value !== undefined && value !== '') found[name] = value
  }
  const manifest = found['x-object-manifest']
  if (manifest !== undefined && (!/^[^/?]+\/[^?]/.test(manifest.replace(/^\//, '')) || /[?&]/.test(manifest)))
    refuse(400, 'X-Object-Manifest must be in the format container/prefix')
  return found
}

/** X-Delete-At and X-Delete-After. Throws 400 for a time that is none or past. */
export function readDeleteAt(sr: SwiftRequest): Date | null {
  const after = sr.header('x-delete-after')
  const at = sr.header('x-delete-at')
  const value = after ?? at
  if (value === undefined || value === '') return null
  const name = after === undefined ? 'X-Delete-At' : 'X-Delete-After'
  if (!/^-?\d{1,12}$/.test(value)) refuse(400, `Non-integer ${name}`)
  const seconds = after === undefined ? Number(value) : Math.floor(Date.now() / 1000) + Number(value)
  if (seconds * 1000 < Date.now() - 1000) refuse(400, `${name} in past`)
  return new Date(seconds * 1000)
}
