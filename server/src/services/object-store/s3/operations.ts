// Every operation of the S3 API that there is here. Another one is another row.
import { deleteBucketEncryption, getBucketEncryption, putBucketEncryption } from './bucket-encryption.ts'
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './buckets.ts'
import type { OnBucket, Operation, OnObject, OnService } from './operation.ts'
import { sharingOperations } from './sharing-operations.ts'

const accountOperations: OnService[] = [
  {
    name: 'ListBuckets',
    level: 'service',
    method: 'GET',
    permission: 's3:ListAllMyBuckets',
    rule: 'account:read',
    handle: listBuckets,
  },
  {
    name: 'CreateBucket',
    level: 'account',
    method: 'PUT',
    permission: 's3:CreateBucket',
    rule: 'account:write',
    handle: createBucket,
  },
]

const bucketOperations: OnBucket[] = [
  {
    name: 'HeadBucket',
    level: 'bucket',
    method: 'HEAD',
    permission: 's3:ListBucket',
    rule: 'account:read',
    handle: headBucket,
  },
  {
    name: 'DeleteBucket',
    level: 'bucket',
    method: 'DELETE',
    permission: 's3:DeleteBucket',
    rule: 'account:write',
    handle: deleteBucket,
  },
  {
    name: 'GetBucketLocation',
    level: 'bucket',
    method: 'GET',
    query: 'location',
    permission: 's3:GetBucketLocation',
    rule: 'account:read',
    handle: getBucketLocation,
  },
  {
    name: 'GetBucketEncryption',
    level: 'bucket',
    method: 'GET',
    query: 'encryption',
    permission: 's3:GetEncryptionConfiguration',
    rule: 'account:read',
    handle: getBucketEncryption,
  },
  {
    name: 'PutBucketEncryption',
    level: 'bucket',
    method: 'PUT',
    query: 'encryption',
    permission: 's3:PutEncryptionConfiguration',
    rule: 'account:write',
    handle: putBucketEncryption,
  },
  {
    name: 'DeleteBucketEncryption',
    level: 'bucket',
    method: 'DELETE',
    query: 'encryption',
    permission: 's3:PutEncryptionConfiguration',
    rule: 'account:write',
    handle: deleteBucketEncryption,
  },
]

const objectOperations: OnObject[] = []

export const operations: readonly Operation[] = [
  ...accountOperations,
  ...bucketOperations,
  ...sharingOperations,
  ...objectOperations,
]
