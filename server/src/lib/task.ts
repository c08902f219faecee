// Durable tasks: how a verb that takes time is written down. `lib/worker.ts` carries them out.
//
// A task is a row, made in the transaction of the resource it works on. Its steps have names and an order. A step does its
// outside work with no transaction open and returns what to commit; that commit and the advance to the next step are one
// transaction. So database effects happen once, outside calls at least once: those are `ensure…` calls.
//
// Cancelling: a task with `supersedes` (delete) may be started while another one of the same key is unfinished. The other
// one's running step is told by its `signal`, may end as it likes, its commit is still made if it returns one, and then
// the successor begins. So a step never needs undoing: delete cleans up from any half-made state.
import { type Static, type TSchema } from 'typebox'
import { bug, conflict, type Fault } from '#lib/fault.ts'
import { bigint, type Db, integer, jsonb, pgTable, sql, text, timestamp, type Tx, uuid } from '#lib/db.ts'
import { newId } from '#lib/id.ts'
import type { Log } from '#lib/log.ts'
import type { Drivers, World } from '#lib/world.ts'

export const taskTable = pgTable('task', {
  id: uuid().primaryKey(),
  kind: text().notNull(),
  key: text().notNull(),
  region: text().notNull(),
  projectId: text('project_id'),
  userId: text('user_id'),
  requestId: text('request_id'),
  input: jsonb().$type<Record<string, unknown>>().notNull(),
  step: text().notNull(),
  state: text({ enum: ['queued', 'running', 'done', 'failed', 'cancelled'] })
    .notNull()
    .default('queued'),
  runAt: timestamp('run_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  attempt: integer().notNull().default(0),
  owner: bigint({ mode: 'number' }),
  leaseUntil: timestamp('lease_until', { withTimezone: true, mode: 'date' }),
  epoch: integer().notNull().default(0),
  wakes: integer().notNull().default(0),
  successor: jsonb().$type<Successor>(),
  error: text(),
  deadlineAt: timestamp('deadline_at', { withTimezone: true, mode: 'date' }).notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  finishedAt: timestamp('finished_at', { withTimezone: true, mode: 'date' }),
})
export type Task = typeof taskTable.$inferSelect

export const taskStep = pgTable('task_step', {
  taskId: uuid('task_id').notNull(),
  n: integer().notNull(),
  name: text().notNull(),
  state: text({ enum: ['done', 'retried', 'failed', 'cancelled'] }).notNull(),
  attempts: integer().notNull(),
  error: text(),
  startedAt: timestamp('started_at', { withTimezone: true, mode: 'date' }).notNull(),
  finishedAt: timestamp('finished_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
})
export type TaskStep = typeof taskStep.$inferSelect

export interface Successor {
  id: string
  kind: string
  step: string
  input: Record<string, unknown>
  deadlineMs: number
  userId: string | null
  requestId: string | null
}

/** What a step is given. `signal` ends when the task is to stop: superseded, its lease lost, or the process going down. */
export interface Run<Input> {
  readonly db: Db
  readonly world: World
  readonly drivers: Drivers
  readonly region: string
  readonly input: Input
  readonly signal: AbortSignal
  readonly log: Log
  readonly task: { readonly id: string; readonly projectId: string | null; readonly attempt: number }
}

export type Commit = (tx: Tx) => Promise<unknown>
/** What a step says at its end. A value, so that a test can compare it. */
export type Outcome =
  | { readonly verdict: 'next' | 'done'; readonly commit: Commit | undefined }
  | { readonly verdict: 'again'; readonly afterMs: number; readonly commit: Commit | undefined }
  | { readonly verdict: 'goto'; readonly step: string; readonly commit: Commit | undefined }

/** On to the following step; after the last one the task is done. */
export function next(commit?: Commit): Outcome {
  return { verdict: 'next', commit }
}
/** The task is done, whatever steps are left. */
export function done(commit?: Commit): Outcome {
  return { verdict: 'done', commit }
}
/** The same step once more, after that many seconds or as soon as somebody calls `wakeTask` with the task's key. */
export function again(seconds: number, commit?: Commit): Outcome {
  return { verdict: 'again', afterMs: seconds * 1000, commit }
}
/** On to a step by name. */
export function goTo(step: string, commit?: Commit): Outcome {
  return { verdict: 'goto', step, commit }
}

type Step<Input> = (run: Run<Input>) => Promise<Outcome>

export interface TaskDefinition<Input = never> {
  readonly kind: string
  readonly input: TSchema
  /** '90s', '30m', '2h': after that the task fails. */
  readonly deadlineMs: number
  readonly steps: Readonly<Record<string, Step<Input>>>
  /** Puts the resource in its error state, with the Fault's sentence. If the row is gone or has moved on, does nothing. */
  readonly failed: (tx: Tx, input: Input, fault: Fault) => Promise<unknown>
  /** True for the verb that may be asked for at any time (delete): it takes the place of whatever is under way. */
  readonly supersedes: boolean
}

const definitions = new Map<string, TaskDefinition>()

/** Declares a task. Steps run in the order of the keys; the keys are what the row remembers, so renaming one is a migration. */
export function task<Schema extends TSchema>(definition: {
  kind: string
  input: Schema
  deadline: `${number}${'s' | 'm' | 'h'}`
  steps: Record<string, Step<Static<Schema>>>
  failed: (tx: Tx, input: Static<Schema>, fault: Fault) => Promise<unknown>
  supersedes?: boolean
}): TaskDefinition<Static<Schema>> {
  const unit = { s: 1000, m: 60_000, h: 3_600_000 }[definition.deadline.at(-1) as 's' | 'm' | 'h']
  const made: TaskDefinition<Static<Schema>> = {
    kind: definition.kind,
    input: definition.input,
    deadlineMs: Number.parseFloat(definition.deadline) * unit,
    steps: definition.steps,
    failed: definition.failed,
    supersedes: definition.supersedes ?? false,
  }
  definitions.set(made.kind, made as unknown as TaskDefinition)
  return made
}

export function findDefinition(kind: string): TaskDefinition | undefined {
  return definitions.get(kind)
}
/** Every task that any imported file declares: for the house tests. */
export function allDefinitions(): TaskDefinition[] {
  return [...definitions.values()]
}

export interface StartOptions {
  /** The resource: '<noun>:<id>'. At most one unfinished task has it. */
  key: string
  region: string
  projectId?: string | null
  userId?: string | null
  requestId?: string | null
}

// Set by the worker of this process: lets it begin at once what a transaction has just committed.
let eager:
  | { claim(): { owner: number; leaseMs: number } | undefined; committed(row: Task): void; queued(): void }
  | undefined
export function setEager(worker: typeof eager): void {
  eager = worker
}

/**
 * Writes the task down in `tx`: once that commits it will be carried out. Throws a conflict when another task of the same
 * key is unfinished, unless this one supersedes; returns its id, or that of the same kind of task that is under way.
 */
export async function startTask<Input extends object>(
  tx: Tx,
  definition: TaskDefinition<Input>,
  input: Input,
  options: StartOptions,
): Promise<string> {
  const id = newId()
  const [step] = Object.keys(definition.steps)
  if (step === undefined) return bug(`task ${definition.kind} has no steps`)
  const { key, region, projectId = null, userId = null, requestId = null } = options
  const now = new Date()
  const values = {
    id,
    kind: definition.kind,
    key,
    region,
    projectId,
    userId,
    requestId,
    input: input as Record<string, unknown>,
    step,
    deadlineAt: new Date(now.getTime() + definition.deadlineMs),
  }
  const successor: Successor = {
    id,
    kind: definition.kind,
    step,
    input: values.input,
    deadlineMs: definition.deadlineMs,
    userId,
    requestId,
  }
  for (;;) {
    const claimed = eager?.claim()
    const running = claimed && {
      state: 'running' as const,
      owner: claimed.owner,
      epoch: 1,
      leaseUntil: new Date(now.getTime() + claimed.leaseMs),
    }
    const [row] = await tx
      .insert(taskTable)
      .values({ ...values, ...running })
      .onConflictDoNothing()
      .returning()
    if (row) {
      tx.afterCommit(() => (claimed ? eager?.committed(row) : eager?.queued()))
      return id
    }
    if (!definition.supersedes)
      return conflict(`Another operation is under way for ${key.replace(':', ' ')}; try again when it has ended.`)
    // A sleeping task is ended here; a running one is told, and its worker puts the successor in its place.
    const [other] = await tx.rows<{ id: string; state: string; kind: string }>(sql`
      update task set wakes = wakes + 1,
        successor = case when kind = ${definition.kind} then successor else ${JSON.stringify(successor)}::text::jsonb end
      where key = ${key} and finished_at is null returning id, state, kind`)
    if (!other) continue // it came to its end between the two statements: now there is room
    if (other.kind === definition.kind) return other.id
    if (other.state === 'queued') await giveWay(tx, other.id)
    return id
  }
}

/** Ends the unfinished task, which has a successor, and starts that one. */
export async function giveWay(tx: Tx, id: string): Promise<void> {
  await tx.rows(sql`
    update task set state = 'cancelled', finished_at = now(), owner = null, error = 'superseded'
    where id = ${id} and finished_at is null`)
  await startSuccessor(tx, id)
}

/** Starts the successor of a task that this transaction has ended. */
export async function startSuccessor(tx: Tx, id: string): Promise<void> {
  await tx.rows(sql`
    insert into task (id, kind, key, region, project_id, user_id, request_id, input, step, deadline_at)
    select (successor->>'id')::uuid, successor->>'kind', key, region, project_id, successor->>'userId', successor->>'requestId',
           successor->'input', successor->>'step', now() + (successor->>'deadlineMs')::float * interval '1 millisecond'
    from task where id = ${id} and finished_at is not null and successor is not null`)
  tx.afterCommit(() => eager?.queued())
}

/** Ends the sleep of the task that works on `key`, if there is one: something it waits for may have happened. */
export async function wakeTask(tx: Tx, ...keys: string[]): Promise<void> {
  if (keys.length === 0) return
  await tx.rows(sql`
    update task set wakes = wakes + 1, run_at = case when state = 'queued' and attempt = 0 then now() else run_at end
    where key in ${keys} and finished_at is null`)
  tx.afterCommit(() => eager?.queued())
}

/** The unfinished task of a resource. */
export async function findUnfinishedTask(db: Db, key: string): Promise<Task | undefined> {
  const [found] = await db
    .select()
    .from(taskTable)
    .where(sql`${taskTable.key} = ${key} and ${taskTable.finishedAt} is null`)
  return found
}
