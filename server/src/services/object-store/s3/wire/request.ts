// One S3 request, taken apart: which bucket, which key, what is asked.
import type { IncomingHttpHeaders } from 'node:http'
import type { Actor } from '#lib/actor.ts'
import type { Database } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import type { Container, StoredObject } from '../../model.ts'
import type { Whose } from '../../containers.ts'
import type { Body } from './body.ts'
import { refuse } from './errors.ts'

export interface Target {
  bucket: string | undefined
  key: string | undefined
  /** Virtual-host style: the bucket is in the host's name. */
  virtual: boolean
}

export interface S3Request {
  readonly world: World
  readonly db: Database
  readonly actor: Actor
  readonly method: string
  readonly target: Target
  /** Decoded, in their order; the first of a name counts. */
  readonly query: ReadonlyMap<string, string>
  /** Where presigned, what would be an x-amz- header may stand in the query. Text, not bytes. */
  header(name: string): string | undefined
  readonly headers: IncomingHttpHeaders
  /** Its bytes, as they were meant: chunks undone, signatures and hashes checked while they are read. */
  readonly body: Body
  readonly requestId: string
  readonly remoteAddress: string
  readonly secure: boolean
  /** Where this request came in: `http://host:port`. */
  readonly origin: string
  /** Whether policy lets the actor do this to something of that project. */
  allows(rule: string, projectId: string): boolean
}
/** Of a bucket that is there. */
export interface BucketRequest extends S3Request {
  readonly bucket: Bucket
}
/** Of a key in a bucket; there may be no object of that name. */
export interface ObjectRequest extends BucketRequest {
  readonly key: string
}

export interface Bucket {
  readonly container: Container
  readonly whose: Whose
  /** What the account says about itself: its quota. */
  readonly accountMetadata: Record<string, string>
  /** What the key named when the bucket was found, for an operation that reads it. */
  readonly object?: StoredObject | undefined
}

/** The path and the host, read. `domains`: hosts whose sub-domains are buckets. Throws InvalidURI. */
export function readTarget(path: string, host: string | undefined, domains: readonly string[]): Target {
  const virtual = host === undefined ? undefined : bucketOfHost(host, domains)
  const decoded = decode(path)
  if (virtual !== undefined) return { bucket: virtual, key: decoded.slice(1) || undefined, virtual: true }
  const slash = decoded.indexOf('/', 1)
  const bucket = slash < 0 ? decoded.slice(1) : decoded.slice(1, slash)
  return {
    bucket: bucket || undefined,
    key: slash < 0 ? undefined : decoded.slice(slash + 1) || undefined,
    virtual: false,
  }
}

function bucketOfHost(host: string, domains: readonly string[]): string | undefined {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  const domain = domains.find((each) => name.endsWith(`.${each}`))
  return domain === undefined ? undefined : name.slice(0, -domain.length - 1)
}

function decode(path: string): string {
  if (!path.startsWith('/')) refuse('InvalidURI')
  if (!path.includes('%')) return path
  let text: string
  try {
    text = decodeURIComponent(path)
  } catch {
    return refuse('InvalidURI')
  }
  return text.includes('\0') ? refuse('InvalidURI', 'A key may not have the character U+0000.') : text
}

/** The pairs of a query, decoded. Throws InvalidURI. */
export function readQuery(query: string): [string, string][] {
  if (query === '') return []
  const read = (text: string) => decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text)
  try {
    return query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const at = pair.indexOf('=')
        return at < 0 ? [read(pair), ''] : [read(pair.slice(0, at)), read(pair.slice(at + 1))]
      })
  } catch {
    return refuse('InvalidURI')
  }
}

const lengths = { key: 1024 }

/** Keys that a write may make. Throws KeyTooLongError. */
export function requireKey(key: string): void {
  const size = Buffer.byteLength(key)
  if (size > lengths.key)
    refuse('KeyTooLongError', undefined, { Size: String(size), MaxSizeAllowed: String(lengths.key) })
}
