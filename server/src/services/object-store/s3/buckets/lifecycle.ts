// The lifecycle of a bucket, in S3's XML; what it does is in lifecycle/.
import { storageClasses } from '../../backends.ts'
import type { LifecycleFilter, LifecycleRule, When } from '../../lifecycle/rules.ts'
import { findSetting, setSetting } from '../../settings.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'
import type { Content, Element } from '../wire/xml.ts'

const mostRules = 1000

export async function getBucketLifecycle({ db, bucket: { container } }: BucketRequest): Promise<Answer> {
  const rules = await findSetting<LifecycleRule[]>(db, container.id, 'lifecycle')
  if (!rules) refuse('NoSuchLifecycleConfiguration', undefined, { BucketName: container.name })
  return xmlAnswer('LifecycleConfiguration', { Rule: rules.map(showRule) })
}

export async function putBucketLifecycle(request: BucketRequest): Promise<Answer> {
  const document = await readXml(request, 'LifecycleConfiguration')
  const classes = storageClasses(request.world)
  const rules = document.children('Rule').map((rule, i) => readRule(rule, i, classes))
  if (rules.length === 0 || rules.length > mostRules) refuse('MalformedXML')
  if (new Set(rules.map(({ id }) => id)).size < rules.length)
    refuse('InvalidArgument', 'Rule ID must be unique. Found same ID for more than one rule')
  await request.db.transaction((tx) => setSetting(tx, request.bucket.container.id, 'lifecycle', rules))
  return { status: 200, headers: {} }
}

export async function deleteBucketLifecycle({ db, bucket }: BucketRequest): Promise<Answer> {
  await db.transaction((tx) => setSetting(tx, bucket.container.id, 'lifecycle', undefined))
  return { status: 204, headers: {} }
}

function readRule(rule: Element, i: number, classes: readonly string[]): LifecycleRule {
  const id = rule.textOf('ID')?.trim() || `rule-${i + 1}`
  if (id.length > 255) refuse('InvalidArgument', 'ID length should not exceed allowed limit of 255')
  const status = rule.textOf('Status')?.trim()
  if (status !== 'Enabled' && status !== 'Disabled') refuse('MalformedXML')
  const expiration = rule.child('Expiration')
  const marker = expiration?.textOf('ExpiredObjectDeleteMarker')?.trim()
  const older = rule.child('NoncurrentVersionExpiration')
  const abort = rule.child('AbortIncompleteMultipartUpload')
  const read: LifecycleRule = {
    id,
    enabled: status === 'Enabled',
    filter: readFilter(rule),
    ...(expiration && marker === undefined && { expire: readWhen(expiration, 1) }),
    ...(marker === 'true' && { expireMarkers: true }),
    ...(older && { expireOlder: { days: readDays(older, 'NoncurrentDays', 1), keepNewest: readKeep(older) } }),
    ...(abort && { abortUploadsAfterDays: readDays(abort, 'DaysAfterInitiation', 1) }),
    transitions: rule
      .children('Transition')
      .map((each) => ({ when: readWhen(each, 0), storageClass: readClass(each, classes) })),
    transitionsOfOlder: rule.children('NoncurrentVersionTransition').map((each) => ({
      days: readDays(each, 'NoncurrentDays', 0),
      keepNewest: readKeep(each),
      storageClass: readClass(each, classes),
    })),
  }
  const acts =
    read.expire ??
    read.expireMarkers ??
    read.expireOlder ??
    read.abortUploadsAfterDays ??
    read.transitions?.[0] ??
    read.transitionsOfOlder?.[0]
  if (acts === undefined) refuse('InvalidRequest', 'At least one action needs to be specified in a rule')
  if (read.abortUploadsAfterDays !== undefined && read.filter.tags)
    refuse('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Tags.')
  return read
}

function readFilter(rule: Element): LifecycleFilter {
  const filter = rule.child('Filter')
  if (filter && rule.child('Prefix')) refuse('MalformedXML')
  if (!filter) return { prefix: rule.textOf('Prefix') || undefined }
  const and = filter.child('And')
  const from = and ?? filter
  if (!and && filter.names.length > 1) refuse('MalformedXML')
  const tags = from
    .children('Tag')
    .map((tag) => [tag.textOf('Key') ?? refuse('MalformedXML'), tag.textOf('Value') ?? ''])
  const size = (name: string) => {
    const text = from.textOf(name)?.trim()
    return text === undefined ? undefined : /^\d{1,15}$/.test(text) ? Number(text) : refuse('MalformedXML')
  }
  return {
    prefix: from.textOf('Prefix') || undefined,
    ...(tags.length > 0 && { tags: Object.fromEntries(tags) as Record<string, string> }),
    largerThan: size('ObjectSizeGreaterThan'),
    smallerThan: size('ObjectSizeLessThan'),
  }
}

function readWhen(from: Element, least: number): When {
  const date = from.textOf('Date')?.trim()
  if (date === undefined) return { days: readDays(from, 'Days', least) }
  if (from.child('Days')) refuse('MalformedXML')
  const at = new Date(date)
  if (Number.isNaN(at.getTime())) refuse('MalformedXML')
  if (at.getTime() % 86_400_000 !== 0) refuse('InvalidArgument', "'Date' must be at midnight GMT")
  return { at: at.toISOString() }
}

function readDays(from: Element, name: string, least: number): number {
  const text = from.textOf(name)?.trim() ?? refuse('MalformedXML')
  if (!/^\d{1,6}$/.test(text) || Number(text) < least)
    refuse('InvalidArgument', `'${name}' must be a ${least === 0 ? 'nonnegative' : 'positive'} integer`)
  return Number(text)
}

function readKeep(from: Element): number | undefined {
  const text = from.textOf('NewerNoncurrentVersions')?.trim()
  if (text === undefined) return undefined
  return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 100 ? Number(text) : refuse('MalformedXML')
}

function readClass(from: Element, classes: readonly string[]): string {
  const name = from.textOf('StorageClass')?.trim() ?? refuse('MalformedXML')
  return classes.includes(name)
    ? name
    : refuse('InvalidStorageClass', `There is no storage class ${name.slice(0, 60)} here, only ${classes.join(', ')}.`)
}

const showWhen = (when: When): Record<string, Content> => ('at' in when ? { Date: when.at } : { Days: when.days })

function showRule(rule: LifecycleRule): Content {
  const { filter, expire, expireOlder, transitions = [], transitionsOfOlder = [] } = rule
  const tags = Object.entries(filter.tags ?? {}).map(([Key, Value]) => ({ Key, Value }))
  const parts: Record<string, Content> = {
    Prefix: filter.prefix,
    Tag: tags.length > 0 ? tags : undefined,
    ObjectSizeGreaterThan: filter.largerThan,
    ObjectSizeLessThan: filter.smallerThan,
  }
  const count =
    tags.length + Object.values(parts).filter((each) => each !== undefined).length - (tags.length > 0 ? 1 : 0)
  return {
    ID: rule.id,
    Filter: count === 0 ? { Prefix: '' } : count === 1 ? parts : { And: parts },
    Status: rule.enabled ? 'Enabled' : 'Disabled',
    Expiration: expire ? showWhen(expire) : rule.expireMarkers ? { ExpiredObjectDeleteMarker: true } : undefined,
    NoncurrentVersionExpiration: expireOlder && {
      NoncurrentDays: expireOlder.days,
      NewerNoncurrentVersions: expireOlder.keepNewest,
    },
    Transition: transitions.map(({ when, storageClass }) => ({ ...showWhen(when), StorageClass: storageClass })),
    NoncurrentVersionTransition: transitionsOfOlder.map(({ days, keepNewest, storageClass }) => ({
      NoncurrentDays: days,
      NewerNoncurrentVersions: keepNewest,
      StorageClass: storageClass,
    })),
    AbortIncompleteMultipartUpload:
      rule.abortUploadsAfterDays === undefined ? undefined : { DaysAfterInitiation: rule.abortUploadsAfterDays },
  }
}
