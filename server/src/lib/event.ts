// Events broadcast what happened; they do not orchestrate. Written to the outbox in the transaction of the change, and
// handed, in the same transaction, to those services above that must follow (a project is gone, a port is gone).
import { bigint, type Db, desc, eq, jsonb, pgTable, text, timestamp, type Tx } from '#lib/db.ts'

export const event = pgTable('event', {
  id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  at: timestamp({ withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  type: text().notNull(),
  region: text(),
  projectId: text('project_id'),
  userId: text('user_id'),
  requestId: text('request_id'),
  resourceId: text('resource_id'),
  payload: jsonb().$type<Record<string, unknown>>().notNull(),
})

/** Names are `<noun>.<verb>` in the past or `<noun>.<verb>.<start|end|error>`: 'server.create.end', 'project.deleted'. */
export interface Event {
  type: string
  resourceId: string
  projectId?: string | null
  region?: string
  payload?: Record<string, unknown>
}

export type Subscriber = (tx: Tx, happened: Event) => Promise<void>
export type Subscriptions = Record<string, Subscriber>

const subscribers = new Map<string, Set<Subscriber>>()

/** Called by app.ts with what each service's manifest wants to hear. The same subscriber twice counts once. */
export function subscribe(wanted: Subscriptions): void {
  for (const [type, subscriber] of Object.entries(wanted)) {
    const all = subscribers.get(type) ?? new Set()
    subscribers.set(type, all.add(subscriber))
  }
}

/** Records it and tells the subscribers, all within `tx`: if one throws, nothing happened. */
export async function emit(tx: Tx, happened: Event): Promise<void> {
  const { type, resourceId, projectId = null, region = null, payload = {} } = happened
  await tx.insert(event).values({ type, resourceId, projectId, region, payload })
  for (const subscriber of subscribers.get(type) ?? []) await subscriber(tx, happened)
}

/** The newest events of a resource, newest first. */
export async function eventsOf(db: Db, resourceId: string, limit = 100) {
  return db.select().from(event).where(eq(event.resourceId, resourceId)).orderBy(desc(event.id)).limit(limit)
}
