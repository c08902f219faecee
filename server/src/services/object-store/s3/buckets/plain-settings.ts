// What S3 has and this store has one answer to, for clients that ask at each start.
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'

export async function getBucketAccelerate(_request: BucketRequest): Promise<Answer> {
  return xmlAnswer('AccelerateConfiguration', undefined)
}

export async function getBucketRequestPayment(_request: BucketRequest): Promise<Answer> {
  return xmlAnswer('RequestPaymentConfiguration', { Payer: 'BucketOwner' })
}

export async function putBucketRequestPayment(request: BucketRequest): Promise<Answer> {
  const payer = (await readXml(request, 'RequestPaymentConfiguration')).textOf('Payer')?.trim()
  if (payer === 'Requester') refuse('NotImplemented', 'Here the project that owns a bucket pays.')
  return payer === 'BucketOwner' ? { status: 200, headers: {} } : refuse('MalformedXML')
}

export async function getBucketLogging(_request: BucketRequest): Promise<Answer> {
  return xmlAnswer('BucketLoggingStatus', undefined)
}
