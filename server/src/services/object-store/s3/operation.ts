// An operation of the S3 API as data: what asks for it, what it needs, who answers. The tables are in operations.ts.
import type { Answer } from './wire/answer.ts'
import type { BucketRequest, ObjectRequest, S3Request } from './wire/request.ts'

/** How bucket policies name what is to be done. */
export type Permission = `s3:${string}`

interface Asked {
  /** As AWS calls it. */
  name: string
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS'
  /** The sub-resource or parameter that must stand in the query. */
  query?: string
  /** A header that must be there. */
  header?: string
  permission: Permission
  /** Of many keys at once: a policy is asked about each of them, by the handler. */
  perKey?: true
  /** What the key names is loaded together with the bucket. */
  readsObject?: true
  /** The rule of policy.ts by which the owners of the bucket (or of the account) may do it. */
  rule: 'account:read' | 'account:write'
}

export type Level = 'service' | 'account' | 'bucket' | 'object'
export type Operation = Asked &
  (
    | { level: 'service'; handle(request: S3Request): Promise<Answer> }
    // about a bucket that need not be there: `target.bucket` is its name
    | { level: 'account'; handle(request: S3Request): Promise<Answer> }
    | { level: 'bucket'; handle(request: BucketRequest): Promise<Answer> }
    | { level: 'object'; handle(request: ObjectRequest): Promise<Answer> }
  )

export type OnService = Extract<Operation, { level: 'service' | 'account' }>
export type OnBucket = Extract<Operation, { level: 'bucket' }>
export type OnObject = Extract<Operation, { level: 'object' }>

/** Parameters that change what a request means. One that no operation takes is not implemented, rather than passed over. */
const subResources = new Set([
  ...[
    'accelerate',
    'acl',
    'analytics',
    'attributes',
    'cors',
    'delete',
    'encryption',
    'intelligent-tiering',
    'inventory',
  ],
  ...[
    'legal-hold',
    'lifecycle',
    'location',
    'logging',
    'metadataConfiguration',
    'metadataTable',
    'metrics',
    'notification',
  ],
  ...['object-lock', 'ownershipControls', 'policy', 'policyStatus', 'publicAccessBlock', 'rename', 'replication'],
  ...['requestPayment', 'restore', 'retention', 'select', 'session', 'tagging', 'torrent', 'uploadId', 'uploads'],
  ...['versioning', 'versions', 'website', 'append', 'renameObject', 'abac'],
])

/** What a request asks for; the most particular operation of its level. `unknown`: a sub-resource that nobody takes. */
export function chooseOperation(
  operations: readonly Operation[],
  asked: {
    level: 'service' | 'bucket' | 'object'
    method: string
    query: ReadonlyMap<string, string>
    hasHeader(name: string): boolean
  },
): Operation | 'method' | 'unknown' {
  const { level, method, query, hasHeader } = asked
  let found: Operation | undefined
  let weight = -1
  let any = false
  for (const each of operations) {
    if (each.method !== method || !(each.level === level || (level === 'bucket' && each.level === 'account'))) continue
    any = true
    if (each.query !== undefined && !query.has(each.query)) continue
    if (each.header !== undefined && !hasHeader(each.header)) continue
    const own = (each.query === undefined ? 0 : 2) + (each.header === undefined ? 0 : 1)
    if (own > weight) [found, weight] = [each, own]
  }
  for (const name of query.keys()) if (subResources.has(name) && found?.query !== name) return 'unknown'
  return found ?? (any ? 'unknown' : 'method')
}
