// Tags of a bucket.
import { findSetting, setSetting } from '../../settings.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'
import { mostBucketTags, readTagSet, showTagSet, type Tags } from '../wire/tags.ts'

export async function getBucketTagging({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  const tags = await findSetting<Tags>(db, container.id, 'tags')
  if (!tags) refuse('NoSuchTagSet', undefined, { BucketName: container.name })
  return xmlAnswer('Tagging', showTagSet(tags))
}

export async function putBucketTagging(request: BucketRequest): Promise<Answer> {
  const tags = readTagSet(await readXml(request, 'Tagging'), mostBucketTags)
  await request.db.transaction((tx) => setSetting(tx, request.bucket.container.id, 'tags', tags))
  return { status: 204, headers: {} }
}

export async function deleteBucketTagging({ db, bucket }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => setSetting(tx, bucket.container.id, 'tags', undefined))
  return { status: 204, headers: {} }
}
