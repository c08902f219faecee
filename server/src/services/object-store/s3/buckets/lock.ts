// Object lock of a bucket: whether its versions can be locked, and what every new one gets.
import { eq, type Tx } from '#lib/db.ts'
import { type ContainerLock, objectContainer } from '../../model.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'
import type { Element } from '../wire/xml.ts'

const mostDays = 36_500

export async function getObjectLockConfiguration({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const { objectLock } = container
  if (!objectLock) refuse('ObjectLockConfigurationNotFoundError', undefined, { BucketName: container.name })
  return xmlAnswer('ObjectLockConfiguration', {
    ObjectLockEnabled: 'Enabled',
    Rule: objectLock.rule && { DefaultRetention: { Mode: objectLock.rule.mode, Days: objectLock.rule.days } },
  })
}

/** Once enabled it stays: only its rule changes. */
export async function putObjectLockConfiguration(request: BucketRequest): Promise<Answer> {
  const { container } = request.bucket
  const objectLock = readConfiguration(await readXml(request, 'ObjectLockConfiguration'))
  if (container.versions !== 'enabled')
    refuse('InvalidBucketState', "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
  await request.db.transaction((tx) =>
    tx.update(objectContainer).set({ objectLock }).where(eq(objectContainer.id, container.id)),
  )
  return { status: 200, headers: {} }
}

/** Of a bucket that was just made, with its versions kept. */
export async function enableLock(tx: Tx, containerId: number): Promise<void> {
  await tx.update(objectContainer).set({ objectLock: {} }).where(eq(objectContainer.id, containerId))
}

function readConfiguration(document: Element): ContainerLock {
  if (document.textOf('ObjectLockEnabled')?.trim() !== 'Enabled') refuse('MalformedXML')
  const rule = document.child('Rule')
  if (!rule) return {}
  const retention = rule.child('DefaultRetention') ?? refuse('MalformedXML')
  const mode = retention.textOf('Mode')?.trim()
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') refuse('MalformedXML')
  const [days, years] = [retention.textOf('Days')?.trim(), retention.textOf('Years')?.trim()]
  if ((days === undefined) === (years === undefined)) refuse('MalformedXML')
  const text = days ?? years ?? ''
  const number = /^\d{1,6}$/.test(text) ? Number(text) * (days === undefined ? 365 : 1) : 0
  if (number < 1 || number > mostDays)
    refuse('InvalidRetentionPeriod', `Default retention must be between 1 and ${mostDays} days.`)
  return { rule: { mode, days: number } }
}
