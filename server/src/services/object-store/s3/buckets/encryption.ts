// What a bucket encrypts with where a request says nothing.
import { eq } from '#lib/db.ts'
import type { DefaultEncryption } from '../../encryption/sealed.ts'
import { objectContainer } from '../../model.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readSmall } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'
import { type Element, readDocument } from '../wire/xml.ts'

const mostBytes = 65_536

export async function getBucketEncryption({ world, bucket }: BucketRequest): Promise<Answer> {
  const own = bucket.container.encryption
  const shown: DefaultEncryption | undefined =
    own ?? (world.config.objectEncryption === 'all' ? { mode: 'sse-s3' } : undefined)
  if (!shown) refuse('ServerSideEncryptionConfigurationNotFoundError', undefined, { BucketName: bucket.container.name })
  const byDefault =
    shown.mode === 'sse-s3' ? { SSEAlgorithm: 'AES256' } : { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: shown.keyId }
  return xmlAnswer('ServerSideEncryptionConfiguration', {
    Rule: { ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: false },
  })
}

export async function putBucketEncryption(request: BucketRequest): Promise<Answer> {
  const body = await readSmall(request, mostBytes)
  const rules = readDocument(body, 'ServerSideEncryptionConfiguration').children('Rule')
  const [rule] = rules
  if (!rule || rules.length > 1) refuse('MalformedXML')
  await setEncryption(request, readRule(rule))
  return { status: 200, headers: {} }
}

// Bucket keys save requests to a key manager; there are none to save, so that they are wanted changes nothing.
function readRule(rule: Element): DefaultEncryption {
  const byDefault = rule.child('ApplyServerSideEncryptionByDefault') ?? refuse('MalformedXML')
  const keyId = byDefault.textOf('KMSMasterKeyID')
  switch (byDefault.textOf('SSEAlgorithm')) {
    case 'AES256':
      if (keyId !== undefined)
        refuse('InvalidArgument', 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms')
      return { mode: 'sse-s3' }
    case 'aws:kms':
      return keyId ? { mode: 'sse-kms', keyId } : { mode: 'sse-kms' }
    case 'aws:kms:dsse':
      return refuse('NotImplemented', 'Encryption in two layers (aws:kms:dsse) is not supported; use aws:kms.')
    default:
      return refuse('MalformedXML')
  }
}

export async function deleteBucketEncryption(request: BucketRequest): Promise<Answer> {
  await setEncryption(request, null)
  return { status: 204, headers: {} }
}

async function setEncryption({ db, bucket }: BucketRequest, encryption: DefaultEncryption | null): Promise<void> {
  await db.transaction((tx) =>
    tx.update(objectContainer).set({ encryption }).where(eq(objectContainer.id, bucket.container.id)),
  )
}
