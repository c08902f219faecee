// What happened to an object is told: into the outbox, and to webhooks, each by a task that goes on until the receiver has it.
import { Type } from 'typebox'
import { first, sql, type Tx } from '#lib/db.ts'
import { emit } from '#lib/event.ts'
import { newId } from '#lib/id.ts'
import { done, type Outcome, type Run, startTask, task } from '#lib/task.ts'
import { postWebhook } from '#lib/webhook.ts'
import { type Container, objectContainer } from '../model.ts'
import { type EventName, targetsOf } from './rules.ts'

export interface Happened {
  event: EventName
  key: string
  /** Of a removal: not known. */
  size?: number | undefined
  etag?: string | undefined
  /** Microseconds since 1970: later for each later version. */
  version: number
}
/** A container whose row was read whole; one that was not tells nothing. */
export type Telling = Pick<Container, 'id'> &
  Partial<Pick<Container, 'name' | 'region' | 'projectId' | 'notification' | 'versions'>>

/** Part of the transaction in which it happened: it is told if and only if it did. */
export async function tell(tx: Tx, container: Telling, happened: Happened): Promise<void> {
  const { id, notification, name = '', region = '', projectId = '' } = container
  if (!notification) return
  const { event, key, size, etag, version } = happened
  const about = { bucket: name, key, size, etag, version: String(version) }
  if (notification.outbox)
    await emit(tx, { type: `object.${event}`, resourceId: `${name}/${key}`, projectId, region, payload: about })
  for (const target of targetsOf(notification, event, key)) {
    const record = recordOf(container, happened, target.id)
    await startTask(
      tx,
      bucketNotify,
      { containerId: id, url: target.url, record },
      { key: `bucket-event:${newId()}`, region, projectId },
    )
  }
}

/** As S3 writes it (docs.aws.amazon.com, "Event message structure"), version 2.1. */
function recordOf(container: Telling, { event, key, size, etag, version }: Happened, configurationId: string) {
  const { name, region, projectId, versions } = container
  return {
    eventVersion: '2.1',
    eventSource: 'pileus:s3',
    awsRegion: region,
    eventTime: new Date(version / 1000).toISOString(),
    eventName: event,
    userIdentity: { principalId: projectId },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: { name, ownerIdentity: { principalId: projectId }, arn: `arn:aws:s3:::${name}` },
      object: {
        key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
        size,
        eTag: etag,
        ...(versions === 'enabled' && { versionId: String(version) }),
        sequencer: version.toString(16).toUpperCase().padStart(16, '0'),
      },
    },
  }
}

const Input = Type.Object({
  containerId: Type.Integer(),
  url: Type.String(),
  record: Type.Record(Type.String(), Type.Unknown()),
})

export const bucketNotify = task({
  kind: 'bucket.notify',
  input: Input,
  deadline: '24h',
  steps: { post },
  // nobody waits for it; the task says what went wrong
  failed: async () => {},
})

async function post({
  db,
  world,
  input,
  signal,
}: Run<{ containerId: number; url: string; record: object }>): Promise<Outcome> {
  // whose bucket is gone, or who tells nobody any more, does not want this told either
  const container = first(
    await db
      .select({ notification: objectContainer.notification })
      .from(objectContainer)
      .where(sql`${objectContainer.id} = ${input.containerId}`),
  )
  if (!container?.notification?.targets.some(({ url }) => url === input.url)) return done()
  await postWebhook(new URL(input.url), { Records: [input.record] }, { allowed: world.config.webhookHosts, signal })
  return done()
}
