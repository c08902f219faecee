// GetBucketVersioning and PutBucketVersioning.
import { changeContainer } from '../../containers.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'

const words = { enabled: 'Enabled', suspended: 'Suspended' } as const

export async function getBucketVersioning({ bucket }: BucketRequest): Promise<Answer> {
  const { versions } = bucket.container
  return xmlAnswer('VersioningConfiguration', {
    Status: versions === 'enabled' || versions === 'suspended' ? words[versions] : undefined,
  })
}

export async function putBucketVersioning(request: BucketRequest): Promise<Answer> {
  const { db, bucket } = request
  const asked = await readXml(request, 'VersioningConfiguration')
  const status = asked.textOf('Status')
  if (status !== 'Enabled' && status !== 'Suspended') refuse('IllegalVersioningConfigurationException')
  if (asked.textOf('MfaDelete') === 'Enabled')
    refuse('NotImplemented', 'Deletion by a second factor is not implemented.')
  const { container, whose } = bucket
  if (container.versions === 'stack' || container.versions === 'history')
    refuse(
      'InvalidBucketState',
      "This container keeps its versions in another one, by Swift's X-Versions-Location or X-History-Location.",
    )
  const versions = status === 'Enabled' ? 'enabled' : 'suspended'
  await db.transaction((tx) => changeContainer(tx, whose, container.name, { versions, metadata: {} }))
  return { status: 200, headers: {} }
}
