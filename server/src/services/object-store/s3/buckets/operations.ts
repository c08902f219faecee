// What a bucket says about itself.
import { getObjectLockConfiguration, putObjectLockConfiguration } from './lock.ts'
import { bucketSetting } from './setting.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from './tags.ts'
import { deleteBucketCors, getBucketCors, putBucketCors } from './cors.ts'
import { deleteBucketLifecycle, getBucketLifecycle, putBucketLifecycle } from './lifecycle.ts'
import { getBucketNotification, putBucketNotification } from './notification.ts'
import type { OnBucket } from '../operation.ts'
import {
  getBucketAccelerate,
  getBucketLogging,
  getBucketRequestPayment,
  putBucketRequestPayment,
} from './plain-settings.ts'
import { deleteBucketWebsite, getBucketWebsite, putBucketWebsite } from './website.ts'

export const settingsOperations: OnBucket[] = [
  ...bucketSetting(
    'cors',
    { name: 'BucketCors', get: 's3:GetBucketCORS', put: 's3:PutBucketCORS' },
    { get: getBucketCors, put: putBucketCors, remove: deleteBucketCors },
  ),
  ...bucketSetting(
    'lifecycle',
    {
      name: 'BucketLifecycleConfiguration',
      get: 's3:GetLifecycleConfiguration',
      put: 's3:PutLifecycleConfiguration',
    },
    { get: getBucketLifecycle, put: putBucketLifecycle, remove: deleteBucketLifecycle },
  ),
  ...bucketSetting(
    'tagging',
    { name: 'BucketTagging', get: 's3:GetBucketTagging', put: 's3:PutBucketTagging' },
    { get: getBucketTagging, put: putBucketTagging, remove: deleteBucketTagging },
  ),
  ...bucketSetting(
    'website',
    {
      name: 'BucketWebsite',
      get: 's3:GetBucketWebsite',
      put: 's3:PutBucketWebsite',
      remove: 's3:DeleteBucketWebsite',
    },
    { get: getBucketWebsite, put: putBucketWebsite, remove: deleteBucketWebsite },
  ),
  ...bucketSetting(
    'object-lock',
    {
      name: 'ObjectLockConfiguration',
      get: 's3:GetBucketObjectLockConfiguration',
      put: 's3:PutBucketObjectLockConfiguration',
    },
    { get: getObjectLockConfiguration, put: putObjectLockConfiguration },
  ),
  ...bucketSetting(
    'notification',
    {
      name: 'BucketNotificationConfiguration',
      get: 's3:GetBucketNotification',
      put: 's3:PutBucketNotification',
    },
    { get: getBucketNotification, put: putBucketNotification },
  ),
  ...bucketSetting(
    'requestPayment',
    { name: 'BucketRequestPayment', get: 's3:GetBucketRequestPayment', put: 's3:PutBucketRequestPayment' },
    { get: getBucketRequestPayment, put: putBucketRequestPayment },
  ),
  {
    name: 'GetBucketAccelerateConfiguration',
    level: 'bucket',
    method: 'GET',
    query: 'accelerate',
    permission: 's3:GetAccelerateConfiguration',
    rule: 'account:read',
    handle: getBucketAccelerate,
  },
  {
    name: 'GetBucketLogging',
    level: 'bucket',
    method: 'GET',
    query: 'logging',
    permission: 's3:GetBucketLogging',
    rule: 'account:read',
    handle: getBucketLogging,
  },
]
