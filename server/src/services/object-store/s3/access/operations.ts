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
} from './policy.ts'
import { bucketSetting } from '../buckets/setting.ts'
import type { OnBucket } from '../operation.ts'

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
