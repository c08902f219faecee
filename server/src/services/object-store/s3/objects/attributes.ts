// GetObjectAttributes: what is known of an object without its bytes.
import { httpDate } from '../../swift/answer.ts'
import { contentOf } from '../../swift/content.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readLimit } from '../buckets/buckets.ts'
import { checksumElements, elementOf, keptOf } from '../wire/checksums.ts'
import { requireCustomerKey } from './encryption.ts'
import { refuse } from '../wire/errors.ts'
import { etagOfObject, keepsVersions, readVersionId, versionId } from './metadata.ts'
import { findNamed, follow } from './get.ts'
import type { ObjectRequest } from '../wire/request.ts'
import type { Content } from '../wire/xml.ts'

const known = new Set(['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'])

export async function getObjectAttributes(request: ObjectRequest): Promise<Answer> {
  const { bucket, key } = request
  const wanted = (request.header('x-amz-object-attributes') ?? '').split(',').map((each) => each.trim())
  if (wanted.length === 0 || wanted.some((each) => !known.has(each)))
    refuse('InvalidArgument', 'Invalid attribute name specified.', { ArgumentName: 'x-amz-object-attributes' })
  const named = await findNamed(request, bucket, key, readVersionId(request))
  const { object, whose } = await follow(request, named)
  await requireCustomerKey(request, object)
  const content = await contentOf(request.world, whose, object)
  const { manifest, checksums } = object
  const kept = keptOf(checksums)
  const parts = manifest && 'parts' in manifest ? manifest.parts : undefined
  const limit = readLimit(request.header('x-amz-max-parts'), 'x-amz-max-parts', 1000)
  const after = readLimit(request.header('x-amz-part-number-marker') ?? '0', 'x-amz-part-number-marker', 10_000)
  const shown = parts?.filter(({ number }) => number > after).slice(0, limit)
  const described: Content = parts && {
    // as a list of parts it is there only where each of them has a checksum
    TotalPartsCount: parts.length,
    ...(kept && {
      PartNumberMarker: after,
      NextPartNumberMarker: shown?.at(-1)?.number ?? after,
      MaxParts: limit,
      IsTruncated: (shown?.at(-1)?.number ?? after) < (parts.at(-1)?.number ?? 0),
      Part: shown?.map(({ number, size, checksum }) => ({
        PartNumber: number,
        Size: size,
        [elementOf(kept.algorithm)]: checksum,
      })),
    }),
  }
  const values: Record<string, Content> = {
    ETag: object.kind === 'slo' ? etagOfObject(object) : content.etag.replaceAll('"', ''),
    Checksum: kept && checksumElements(checksums),
    ObjectParts: described,
    StorageClass: object.storageClass,
    ObjectSize: content.size,
  }
  return xmlAnswer(
    'GetObjectAttributesResponse',
    Object.fromEntries(Object.entries(values).filter(([name]) => wanted.includes(name))),
    {
      'Last-Modified': httpDate(object.modifiedAt),
      ...(keepsVersions(bucket.container) && { 'x-amz-version-id': versionId(named) }),
    },
  )
}
