// The checksums that clients may send and ask for: CRC32, CRC32C, CRC64NVME, SHA-1, SHA-256, in base64.
import { createHash } from 'node:crypto'
import type { Digest } from '../../store/bytes.ts'
import { type CrcName, joinCrcs, runningCrc } from './crc.ts'
import { refuse } from './errors.ts'
import type { S3Request } from './request.ts'

export type Algorithm = CrcName | 'sha1' | 'sha256'
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** Their names in documents, and how long they are. */
const algorithms: Record<Algorithm, { name: string; bytes: number }> = {
  crc32: { name: 'CRC32', bytes: 4 },
  crc32c: { name: 'CRC32C', bytes: 4 },
  crc64nvme: { name: 'CRC64NVME', bytes: 8 },
  sha1: { name: 'SHA1', bytes: 20 },
  sha256: { name: 'SHA256', bytes: 32 },
}
const all = Object.keys(algorithms) as Algorithm[]

export const nameOf = (algorithm: Algorithm) => algorithms[algorithm].name
export const elementOf = (algorithm: Algorithm) => `Checksum${nameOf(algorithm)}`
const headerOf = (algorithm: Algorithm) => `x-amz-checksum-${algorithm}`

const isCrc = (algorithm: Algorithm): algorithm is CrcName => algorithm.startsWith('crc')

export function digestOf(algorithm: Algorithm): Digest {
  if (!isCrc(algorithm)) return createHash(algorithm)
  const running = runningCrc(algorithm)
  return { update: (chunk) => running.update(chunk), digest: () => running.bytes().toString('base64') }
}

/** Throws InvalidRequest for one that is not known. */
export function readAlgorithm(text: string | undefined): Algorithm | undefined {
  if (text === undefined || text === '') return undefined
  const found = all.find((each) => nameOf(each) === text.toUpperCase())
  return (
    found ??
    refuse(
      'InvalidRequest',
      `Checksum algorithm provided is unsupported: ${text}. Please try again with any of the valid types: [${all.map(nameOf).join(', ')}]`,
    )
  )
}

/** What a request says of its bytes; `value` may only come behind them. */
export interface Claimed {
  algorithm: Algorithm
  /** Called when the bytes have been read. Throws when there is none. */
  value(): string
}

/** Throws InvalidRequest for several, or for a value that cannot be one. */
export function readClaim(request: S3Request): Claimed | undefined {
  const given = all.filter((each) => request.header(headerOf(each)) !== undefined)
  const trailing = (request.header('x-amz-trailer') ?? '').split(',').map((each) => each.trim().toLowerCase())
  const behind = all.filter((each) => trailing.includes(headerOf(each)))
  const [algorithm, ...more] = [...given, ...behind]
  if (more.length > 0)
    refuse('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  const asked = readAlgorithm(request.header('x-amz-sdk-checksum-algorithm'))
  if (algorithm === undefined) {
    if (asked !== undefined && request.body.length !== 0)
      refuse(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      )
    return undefined
  }
  if (given.length > 0) requireForm(algorithm, request.header(headerOf(algorithm))!)
  return {
    algorithm,
    value() {
      const value = request.header(headerOf(algorithm)) ?? request.body.trailers.get(headerOf(algorithm))
      if (value === undefined)
        return refuse('InvalidRequest', `The trailer ${headerOf(algorithm)} was announced and did not come.`)
      return requireForm(algorithm, value)
    },
  }
}

function requireForm(algorithm: Algorithm, value: string): string {
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length !== algorithms[algorithm].bytes || bytes.toString('base64') !== value)
    refuse('InvalidRequest', `Value for ${headerOf(algorithm)} header is invalid.`)
  return value
}

/** Throws BadDigest when the bytes are others than the client says. */
export function requireSame(claim: Claimed | undefined, found: Readonly<Record<string, string>>): void {
  if (claim && claim.value() !== found[claim.algorithm])
    refuse('BadDigest', `The ${nameOf(claim.algorithm)} you specified did not match the calculated checksum.`)
}

/** What an object keeps: the one algorithm, and how it was computed. */
export interface Kept {
  algorithm: Algorithm
  value: string
  type: ChecksumType
}
export function keptOf(checksums: Readonly<Record<string, string>>): Kept | undefined {
  const algorithm = all.find((each) => checksums[each] !== undefined)
  if (!algorithm) return undefined
  return {
    algorithm,
    value: checksums[algorithm]!,
    type: checksums['type'] === 'COMPOSITE' ? 'COMPOSITE' : 'FULL_OBJECT',
  }
}

export function checksumHeaders(checksums: Readonly<Record<string, string>>): Record<string, string> {
  const kept = keptOf(checksums)
  return kept ? { [headerOf(kept.algorithm)]: kept.value, 'x-amz-checksum-type': kept.type } : {}
}
export function checksumElements(checksums: Readonly<Record<string, string>>): Record<string, string> {
  const kept = keptOf(checksums)
  return kept ? { [elementOf(kept.algorithm)]: kept.value, ChecksumType: kept.type } : {}
}

/** How the checksum of an upload in parts is computed, as its beginning asks. Throws InvalidRequest for what cannot be. */
export function readUploadChecksum(request: S3Request): { algorithm: Algorithm; type: ChecksumType } | undefined {
  const algorithm = readAlgorithm(request.header('x-amz-checksum-algorithm'))
  const asked = request.header('x-amz-checksum-type')?.toUpperCase()
  if (algorithm === undefined) {
    if (asked !== undefined)
      refuse(
        'InvalidRequest',
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
      )
    return undefined
  }
  if (asked !== undefined && asked !== 'COMPOSITE' && asked !== 'FULL_OBJECT')
    refuse('InvalidRequest', `Value for x-amz-checksum-type header is invalid.`)
  const type = (asked ?? (algorithm === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE')) as ChecksumType
  if ((type === 'FULL_OBJECT' && !isCrc(algorithm)) || (type === 'COMPOSITE' && algorithm === 'crc64nvme'))
    refuse('InvalidRequest', `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`)
  return { algorithm, type }
}

/** The checksum of an object from those of its parts. */
export function joinChecksums(
  { algorithm, type }: { algorithm: Algorithm; type: ChecksumType },
  parts: readonly { size: number; checksum: string }[],
): string {
  const raw = parts.map(({ checksum, size }) => ({ crc: Buffer.from(checksum, 'base64'), size }))
  if (type === 'FULL_OBJECT' && isCrc(algorithm)) return joinCrcs(algorithm, raw).toString('base64')
  const digest = digestOf(algorithm)
  digest.update(Buffer.concat(raw.map(({ crc }) => crc)))
  return `${digest.digest('base64')}-${parts.length}`
}
