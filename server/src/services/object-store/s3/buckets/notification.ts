// Who is told of what happens in a bucket, in S3's XML. A topic's ARN is a webhook: `arn:pileus:webhook:::https://host/path`.
import { eq } from '#lib/db.ts'
import { parseWebhook } from '#lib/webhook.ts'
import { objectContainer } from '../../model.ts'
import { isEventPattern, type Notification, type Target } from '../../notification/rules.ts'
import { type Answer, xmlAnswer } from '../wire/answer.ts'
import { readXml } from '../wire/body.ts'
import { refuse } from '../wire/errors.ts'
import type { BucketRequest } from '../wire/request.ts'
import type { Element } from '../wire/xml.ts'

const arnPrefix = 'arn:pileus:webhook:::'
const mostTargets = 20

export async function getBucketNotification({ bucket: { container } }: BucketRequest): Promise<Answer> {
  const { targets = [], outbox } = container.notification ?? {}
  return xmlAnswer('NotificationConfiguration', {
    TopicConfiguration: targets.map(({ id, url, events, prefix, suffix }) => ({
      Id: id,
      Topic: arnPrefix + url,
      Event: events.map((each) => `s3:${each}`),
      Filter:
        prefix === undefined && suffix === undefined
          ? undefined
          : {
              S3Key: {
                FilterRule: [
                  ...(prefix === undefined ? [] : [{ Name: 'prefix', Value: prefix }]),
                  ...(suffix === undefined ? [] : [{ Name: 'suffix', Value: suffix }]),
                ],
              },
            },
    })),
    EventBridgeConfiguration: outbox ? '' : undefined,
  })
}

export async function putBucketNotification(request: BucketRequest): Promise<Answer> {
  const document = await readXml(request, 'NotificationConfiguration', 1 << 17)
  for (const kind of ['QueueConfiguration', 'CloudFunctionConfiguration'])
    if (document.child(kind))
      refuse('InvalidArgument', `There are no destinations for ${kind}: use TopicConfiguration with ${arnPrefix}<URL>.`)
  const { webhookHosts } = request.world.config
  const targets = document.children('TopicConfiguration').map((each, i) => readTarget(each, i, webhookHosts))
  if (targets.length > mostTargets) refuse('InvalidArgument', `There may be at most ${mostTargets} configurations.`)
  if (new Set(targets.map(({ id }) => id)).size < targets.length)
    refuse('InvalidArgument', 'Same ID used for multiple configurations. IDs must be unique')
  const outbox = document.child('EventBridgeConfiguration') !== undefined
  const notification: Notification | null = targets.length > 0 || outbox ? { targets, ...(outbox && { outbox }) } : null
  const { id } = request.bucket.container
  await request.db.transaction((tx) =>
    tx.update(objectContainer).set({ notification }).where(eq(objectContainer.id, id)),
  )
  return { status: 200, headers: {} }
}

function readTarget(from: Element, i: number, webhookHosts: string): Target {
  const arn = from.textOf('Topic')?.trim() ?? refuse('MalformedXML')
  if (!arn.startsWith(arnPrefix))
    refuse('InvalidArgument', `Unable to validate the destination ${arn.slice(0, 200)}: it must be ${arnPrefix}<URL>.`)
  const url = parseWebhook(arn.slice(arnPrefix.length), webhookHosts)
  if (typeof url === 'string') refuse('InvalidArgument', `Unable to validate the destination: ${url}`)
  const events = from.children('Event').map(({ text }) => text.trim())
  if (events.length === 0) refuse('MalformedXML')
  const unknown = events.find((each) => !isEventPattern(each))
  if (unknown !== undefined)
    refuse('InvalidArgument', `The event '${unknown.slice(0, 60)}' is not supported for notifications`)
  const rules = from.child('Filter')?.child('S3Key')?.children('FilterRule') ?? []
  const filter = new Map<string, string>()
  for (const rule of rules) {
    const name = rule.textOf('Name')?.trim().toLowerCase()
    if (name !== 'prefix' && name !== 'suffix')
      refuse('InvalidArgument', 'filter rule name must be either prefix or suffix')
    if (filter.has(name)) refuse('InvalidArgument', `Cannot specify more than one ${name} rule in a filter.`)
    filter.set(name, rule.textOf('Value') ?? '')
  }
  return {
    id: from.textOf('Id')?.trim() || `notification-${i + 1}`,
    url: url.href,
    events: events.map((each) => each.replace(/^s3:/, '')),
    prefix: filter.get('prefix'),
    suffix: filter.get('suffix'),
  }
}
