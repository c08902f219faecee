// Versions are numbers inside (2.37 is 2037), words outside.
import { Fault } from '#lib/fault.ts'

export type Version = number

/** '2.37' → 2037. Throws invalid for anything that is not <major>.<minor>. */
export function parseVersion(text: string): Version {
  const match = /^(\d{1,3})\.(\d{1,4})$/.exec(text)
  if (
    !match ||
    (match[1]!.length > 1 && match[1]!.startsWith('0')) ||
    (match[2]!.length > 1 && match[2]!.startsWith('0'))
  ) {
    throw new Fault('invalid', `API Version String ${text} is of invalid format. Must be of format MajorNum.MinorNum.`)
  }
  return Number(match[1]) * 1000 + Number(match[2])
}

export function versionText(version: Version): string {
  return `${Math.floor(version / 1000)}.${version % 1000}`
}

/** A service's range, and the headers it is asked for and answers with. */
export interface VersionRange {
  /** The name in `OpenStack-API-Version: <name> 2.37`. */
  name: string
  /** An older header with the bare version: 'X-OpenStack-Nova-API-Version'. */
  legacyHeader?: string
  min: string
  max: string
  /** What a request without a version gets; the minimum unless said. */
  default?: string
}

/** The version a request asks for. Throws invalid (400) or notAcceptable (406). */
export function negotiate(range: VersionRange, headers: Record<string, string | string[] | undefined>): Version {
  const asked = askedVersion(range, headers)
  const min = parseVersion(range.min)
  const max = parseVersion(range.max)
  if (asked === undefined) return parseVersion(range.default ?? range.min)
  if (asked === 'latest') return max
  const version = parseVersion(asked)
  if (version < min || version > max) {
    throw new Fault(
      'notAcceptable',
      `Version ${asked} is not supported by the API. Minimum is ${range.min} and maximum is ${range.max}.`,
    )
  }
  return version
}

function askedVersion(range: VersionRange, headers: Record<string, string | string[] | undefined>): string | undefined {
  const standard = headers['openstack-api-version']
  for (const part of (Array.isArray(standard) ? standard.join(',') : (standard ?? '')).split(',')) {
    const [name, version] = part.trim().split(/\s+/)
    if (name?.toLowerCase() === range.name && version) return version.toLowerCase()
  }
  const legacy = range.legacyHeader && headers[range.legacyHeader.toLowerCase()]
  return typeof legacy === 'string' && legacy.trim() !== '' ? legacy.trim().toLowerCase() : undefined
}

/** The headers of every reply. */
export function versionHeaders(range: VersionRange, version: Version): Record<string, string> {
  const text = versionText(version)
  const headers: Record<string, string> = {
    'openstack-api-version': `${range.name} ${text}`,
    vary: range.legacyHeader ? `OpenStack-API-Version, ${range.legacyHeader}` : 'OpenStack-API-Version',
  }
  if (range.legacyHeader) headers[range.legacyHeader.toLowerCase()] = text
  return headers
}
