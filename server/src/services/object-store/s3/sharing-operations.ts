// Who else may use a bucket: its policy, its access list, and what holds these back.
import { getBucketAcl, putBucketAcl } from './acl.ts'
import {
  deleteBucketPolicy,
  deleteOwnershipControls,
  deletePublicAccessBlock,
  getBucketPolicy,
  getBucketPolicyStatus,
  getOwnershipControls,
  getPublicAccessBlock,
  putBucketPolicy,
  putOwnershipControls,
  putPublicAccessBlock,
} from './bucket-policy.ts'
import type { OnBucket } from './operation.ts'

/** Reading, writing and removing what stands under one sub-resource of a bucket. */
export function bucketSetting(
  query: string,
  nouns: { name: string; get: OnBucket['permission']; put: OnBucket['permission']; remove?: OnBucket['permission'] },
  handlers: { get: OnBucket['handle']; put: OnBucket['handle']; remove?: OnBucket['handle'] },
): OnBucket[] {
  const { name } = nouns
  const on = { level: 'bucket', query } as const
  const rows: OnBucket[] = [
    { ...on, name: `Get${name}`, method: 'GET', permission: nouns.get, rule: 'account:read', handle: handlers.get },
    { ...on, name: `Put${name}`, method: 'PUT', permission: nouns.put, rule: 'account:write', handle: handlers.put },
  ]
  if (handlers.remove)
    rows.push({
      ...on,
      name: `Delete${name}`,
      method: 'DELETE',
      permission: nouns.remove ?? nouns.put,
      rule: 'account:write',
      handle: handlers.remove,
    })
  return rows
}

export const sharingOperations: OnBucket[] = [
  ...bucketSetting(
    'policy',
    { name: 'BucketPolicy', get: 's3:GetBucketPolicy', put: 's3:PutBucketPolicy', remove: 's3:DeleteBucketPolicy' },
    { get: getBucketPolicy, put: putBucketPolicy, remove: deleteBucketPolicy },
  ),
  {
    name: 'GetBucketPolicyStatus',
    level: 'bucket',
    method: 'GET',
    query: 'policyStatus',
    permission: 's3:GetBucketPolicyStatus',
    rule: 'account:read',
    handle: getBucketPolicyStatus,
  },
  ...bucketSetting(
    'acl',
    { name: 'BucketAcl', get: 's3:GetBucketAcl', put: 's3:PutBucketAcl' },
    { get: getBucketAcl, put: putBucketAcl },
  ),
  ...bucketSetting(
    'publicAccessBlock',
    { name: 'PublicAccessBlock', get: 's3:GetBucketPublicAccessBlock', put: 's3:PutBucketPublicAccessBlock' },
    { get: getPublicAccessBlock, put: putPublicAccessBlock, remove: deletePublicAccessBlock },
  ),
  ...bucketSetting(
    'ownershipControls',
    { name: 'BucketOwnershipControls', get: 's3:GetBucketOwnershipControls', put: 's3:PutBucketOwnershipControls' },
    { get: getOwnershipControls, put: putOwnershipControls, remove: deleteOwnershipControls },
  ),
]
