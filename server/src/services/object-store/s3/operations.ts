// Every operation of the S3 API that there is here. Another one is another row.
import { deleteBucketEncryption, getBucketEncryption, putBucketEncryption } from './buckets/encryption.ts'
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './buckets/buckets.ts'
import { getObjectAttributes } from './objects/attributes.ts'
import { listObjectsV1, listObjectsV2, listObjectVersions } from './buckets/lists.ts'
import {
  abortMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listUploadParts,
  uploadPart,
  uploadPartCopy,
} from './multipart/parts.ts'
import { completeMultipartUpload } from './multipart/complete.ts'
import { copyObject } from './objects/copy.ts'
import { deleteObject, deleteObjects } from './objects/delete.ts'
import { getObject } from './objects/get.ts'
import { putObjectBytes } from './objects/put.ts'
import { getBucketVersioning, putBucketVersioning } from './buckets/versioning.ts'
import type { OnBucket, Operation, OnObject, OnService } from './operation.ts'
import { objectSettingOperations } from './objects/operations.ts'
import { settingsOperations } from './buckets/operations.ts'
import { sharingOperations } from './access/operations.ts'

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
  {
    name: 'ListObjects',
    level: 'bucket',
    method: 'GET',
    permission: 's3:ListBucket',
    rule: 'account:read',
    handle: listObjectsV1,
  },
  {
    name: 'ListObjectsV2',
    level: 'bucket',
    method: 'GET',
    query: 'list-type',
    permission: 's3:ListBucket',
    rule: 'account:read',
    handle: listObjectsV2,
  },
  {
    name: 'ListObjectVersions',
    level: 'bucket',
    method: 'GET',
    query: 'versions',
    permission: 's3:ListBucketVersions',
    rule: 'account:read',
    handle: listObjectVersions,
  },
  {
    name: 'GetBucketVersioning',
    level: 'bucket',
    method: 'GET',
    query: 'versioning',
    permission: 's3:GetBucketVersioning',
    rule: 'account:read',
    handle: getBucketVersioning,
  },
  {
    name: 'PutBucketVersioning',
    level: 'bucket',
    method: 'PUT',
    query: 'versioning',
    permission: 's3:PutBucketVersioning',
    rule: 'account:write',
    handle: putBucketVersioning,
  },
  {
    name: 'DeleteObjects',
    level: 'bucket',
    method: 'POST',
    query: 'delete',
    permission: 's3:DeleteObject',
    perKey: true,
    rule: 'account:write',
    handle: deleteObjects,
  },
  {
    name: 'ListMultipartUploads',
    level: 'bucket',
    method: 'GET',
    query: 'uploads',
    permission: 's3:ListBucketMultipartUploads',
    rule: 'account:read',
    handle: listMultipartUploads,
  },
]

const objectOperations: OnObject[] = [
  {
    name: 'GetObject',
    level: 'object',
    method: 'GET',
    permission: 's3:GetObject',
    readsObject: true,
    rule: 'account:read',
    handle: getObject,
  },
  {
    name: 'HeadObject',
    level: 'object',
    method: 'HEAD',
    permission: 's3:GetObject',
    readsObject: true,
    rule: 'account:read',
    handle: getObject,
  },
  {
    name: 'PutObject',
    level: 'object',
    method: 'PUT',
    permission: 's3:PutObject',
    rule: 'account:write',
    handle: putObjectBytes,
  },
  {
    name: 'CopyObject',
    level: 'object',
    method: 'PUT',
    header: 'x-amz-copy-source',
    permission: 's3:PutObject',
    rule: 'account:write',
    handle: copyObject,
  },
  {
    name: 'DeleteObject',
    level: 'object',
    method: 'DELETE',
    permission: 's3:DeleteObject',
    rule: 'account:write',
    handle: deleteObject,
  },
  {
    name: 'GetObjectAttributes',
    level: 'object',
    method: 'GET',
    query: 'attributes',
    permission: 's3:GetObjectAttributes',
    readsObject: true,
    rule: 'account:read',
    handle: getObjectAttributes,
  },
  {
    name: 'CreateMultipartUpload',
    level: 'object',
    method: 'POST',
    query: 'uploads',
    permission: 's3:PutObject',
    rule: 'account:write',
    handle: createMultipartUpload,
  },
  {
    name: 'UploadPart',
    level: 'object',
    method: 'PUT',
    query: 'uploadId',
    permission: 's3:PutObject',
    rule: 'account:write',
    handle: uploadPart,
  },
  {
    name: 'UploadPartCopy',
    level: 'object',
    method: 'PUT',
    query: 'uploadId',
    header: 'x-amz-copy-source',
    permission: 's3:PutObject',
    rule: 'account:write',
    handle: uploadPartCopy,
  },
  {
    name: 'CompleteMultipartUpload',
    level: 'object',
    method: 'POST',
    query: 'uploadId',
    permission: 's3:PutObject',
    rule: 'account:write',
    handle: completeMultipartUpload,
  },
  {
    name: 'AbortMultipartUpload',
    level: 'object',
    method: 'DELETE',
    query: 'uploadId',
    permission: 's3:AbortMultipartUpload',
    rule: 'account:write',
    handle: abortMultipartUpload,
  },
  {
    name: 'ListParts',
    level: 'object',
    method: 'GET',
    query: 'uploadId',
    permission: 's3:ListMultipartUploadParts',
    rule: 'account:read',
    handle: listUploadParts,
  },
]

export const operations: readonly Operation[] = [
  ...accountOperations,
  ...bucketOperations,
  ...sharingOperations,
  ...settingsOperations,
  ...objectOperations,
  ...objectSettingOperations,
]
