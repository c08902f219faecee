// Who may do what: the owners of a bucket by policy, as everywhere in this cloud. Nobody else, for now.
import type { Operation } from './operation.ts'
import { refuse } from './errors.ts'
import type { Bucket, S3Request } from './request.ts'

type Needs = Pick<Operation, 'permission' | 'rule'>

/** Whether the one who asks may do this to the bucket, or to that key in it. */
export function isAllowed(request: S3Request, needs: Needs, bucket: Bucket, _key?: string): boolean {
  return request.allows(needs.rule, bucket.container.projectId)
}

/** Throws as `deny` does. */
export function requireAllowed(request: S3Request, needs: Needs, bucket: Bucket, key?: string): void {
  if (!isAllowed(request, needs, bucket, key)) deny(request, bucket)
}

/** Who may not do something, and may not know either whether the bucket is there, is told what they would be told without it. */
export function deny(request: S3Request, bucket: Bucket | undefined): never {
  if (request.actor.userId === '') refuse('AccessDenied')
  const knows = bucket && request.allows('account:read', bucket.container.projectId)
  return knows ? refuse('AccessDenied') : noSuchBucket(request.target.bucket ?? '')
}

export function noSuchBucket(name: string): never {
  return refuse('NoSuchBucket', undefined, { BucketName: name })
}
