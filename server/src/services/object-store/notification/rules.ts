// Who is told of what happens in a bucket. Pure.

/** As S3 names them, without the leading `s3:`. */
export const eventNames = [
  'ObjectCreated:Put',
  'ObjectCreated:Post',
  'ObjectCreated:Copy',
  'ObjectCreated:CompleteMultipartUpload',
  'ObjectRemoved:Delete',
  'ObjectRemoved:DeleteMarkerCreated',
  'LifecycleExpiration:Delete',
  'LifecycleExpiration:DeleteMarkerCreated',
] as const
export type EventName = (typeof eventNames)[number]

export interface Target {
  id: string
  url: string
  /** Patterns: `ObjectCreated:*` */
  events: string[]
  prefix?: string | undefined
  suffix?: string | undefined
}
export interface Notification {
  targets: Target[]
  /** Into the cloud's own events, for every event. */
  outbox?: boolean | undefined
}

export function isEventPattern(text: string): boolean {
  const pattern = text.replace(/^s3:/, '')
  return eventNames.some(
    (name) => name === pattern || (pattern.endsWith(':*') && name.startsWith(pattern.slice(0, -1))),
  )
}

/** The targets that want to hear of it. */
export function targetsOf({ targets }: Notification, event: EventName, key: string): Target[] {
  return targets.filter(
    ({ events, prefix = '', suffix = '' }) =>
      key.startsWith(prefix) &&
      key.endsWith(suffix) &&
      events.some((each) => each === event || (each.endsWith(':*') && event.startsWith(each.slice(0, -1)))),
  )
}
