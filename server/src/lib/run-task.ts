// One task in the hands of a worker: runs its steps and commits what they return. `worker.ts` says which tasks, and when.
import { type Db, sql, type Tx } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import type { Log } from '#lib/log.ts'
import {
  findDefinition,
  giveWay,
  type Outcome,
  type Run,
  startSuccessor,
  type Task,
  type TaskDefinition,
  taskStep,
} from '#lib/task.ts'
import type { World } from '#lib/world.ts'

const longestBackoffMs = 30_000

export interface RunOptions {
  /** For the crash harness: called at the end of each step; 'before' loses its outcome, 'after' stops right behind the commit. */
  crash?: (task: Task, step: string) => 'before' | 'after' | undefined
}

export class Crash extends Error {}

/** Runs step after step until the task sleeps, ends, or is no longer ours. */
export async function runTask(
  world: World,
  claimed: Task,
  controller: AbortController,
  options: RunOptions = {},
): Promise<void> {
  const log = world.log.child({ task: claimed.id, kind: claimed.kind, request: claimed.requestId })
  const definition = findDefinition(claimed.kind)
  if (!definition) {
    log.error('no such task in this program; it waits for one that has it')
    await settle(world.db, claimed, sql`state = 'queued', owner = null, run_at = now() + interval '1 minute'`)
    return
  }
  let upcoming: string | undefined = claimed.step
  let attempt = claimed.attempt
  while (upcoming !== undefined) {
    const step: string = upcoming
    const startedAt = new Date()
    try {
      const outcome: Outcome = await runStep(world, definition, { ...claimed, attempt }, step, controller.signal, log)
      if (options.crash?.(claimed, step) === 'before') throw new Crash()
      upcoming = await conclude(world.db, definition, claimed, step, attempt, startedAt, outcome)
      if (options.crash?.(claimed, step) === 'after') throw new Crash()
      attempt = 0
      if (controller.signal.aborted && upcoming !== undefined) return await letGo(world.db, claimed, upcoming, log)
    } catch (error) {
      if (error instanceof Crash) throw error
      // a step that fails has an end too: the note of its failure may be lost with the process, or be all that it left
      const when = options.crash?.(claimed, step)
      if (when === 'before') throw new Crash()
      await recover(world, definition, claimed, step, attempt, startedAt, error, controller.signal, log)
      if (when === 'after') throw new Crash()
      return
    }
  }
}

async function runStep(
  world: World,
  definition: TaskDefinition,
  task: Task,
  name: string,
  signal: AbortSignal,
  log: Log,
): Promise<Outcome> {
  const step = definition.steps[name]
  if (!step) throw new Fault('unavailable', `The operation ${task.kind} has no step ${name} in this version.`)
  const run: Run<never> = {
    db: world.db,
    world,
    drivers: world.drivers(task.region),
    region: task.region,
    input: task.input as never,
    signal,
    log,
    task: { id: task.id, projectId: task.projectId, attempt: task.attempt },
  }
  const outcome = await step(run)
  if (outcome.verdict === 'again' && Date.now() > task.deadlineAt.getTime()) {
    throw new Fault('unavailable', `Gave up: ${words(name)} did not come to an end in time.`)
  }
  return outcome
}

const words = (name: string) => name.replaceAll(/([A-Z])/g, ' $1').toLowerCase()

/** Commits what the step returned together with the advance. Returns the following step, or undefined when this claim is over. */
async function conclude(
  db: Db,
  definition: TaskDefinition,
  task: Task,
  name: string,
  attempt: number,
  startedAt: Date,
  outcome: Outcome,
): Promise<string | undefined> {
  const names = Object.keys(definition.steps)
  const following =
    outcome.verdict === 'goto' ? outcome.step : outcome.verdict === 'next' ? names[names.indexOf(name) + 1] : undefined
  const stays = outcome.verdict === 'again'
  if (stays && !outcome.commit) {
    // Nothing to commit: only go to sleep, unless it was woken meanwhile.
    await db.transaction((tx) => sleep(tx, task, name, outcome.afterMs))
    return undefined
  }
  return db.transaction(async (tx) => {
    const change = stays
      ? sql`attempt = 0`
      : following === undefined
        ? sql`state = 'done', finished_at = now(), owner = null, error = null`
        : sql`step = ${following}, attempt = 0, error = null`
    const superseded = await fence(tx, task, change)
    await outcome.commit?.(tx)
    if (!stays) await journal(tx, task, name, 'done', attempt + 1, startedAt, null)
    if (following !== undefined && superseded) {
      await giveWay(tx, task.id)
      return undefined
    }
    if (!stays) {
      if (following === undefined && superseded) await startSuccessor(tx, task.id)
      return following
    }
    await sleep(tx, task, name, outcome.afterMs)
    return undefined
  })
}

/** Changes the row if it is still ours; throws when it is not. Returns whether somebody waits to take its place. */
async function fence(tx: Tx, task: Task, change: ReturnType<typeof sql>): Promise<boolean> {
  const [row] = await tx.rows<{ superseded: boolean }>(sql`
    update task set ${change} where id = ${task.id} and owner = ${task.owner} and epoch = ${task.epoch} and state = 'running'
    returning successor is not null as superseded`)
  if (!row) throw new Lost()
  return row.superseded
}
class Lost extends Error {}

async function sleep(tx: Tx, task: Task, step: string, afterMs: number): Promise<void> {
  const superseded = await fence(
    tx,
    task,
    sql`step = ${step}, attempt = 0, state = 'queued', owner = null,
        run_at = case when wakes > 0 then now() else now() + ${afterMs} * interval '1 millisecond' end`,
  )
  if (superseded) await giveWay(tx, task.id)
}

/** The same without anything else: for tasks that this program cannot run. */
async function settle(db: Db, task: Task, change: ReturnType<typeof sql>): Promise<void> {
  await db.transaction((tx) => fence(tx, task, change)).catch(() => {})
}

async function journal(
  tx: Tx,
  task: Task,
  name: string,
  state: 'done' | 'retried' | 'failed' | 'cancelled',
  attempts: number,
  startedAt: Date,
  error: string | null,
): Promise<void> {
  await tx.insert(taskStep).values({
    taskId: task.id,
    n: sql`(select count(*) from task_step where task_id = ${task.id})` as unknown as number,
    name,
    state,
    attempts,
    error,
    startedAt,
  })
}

/** Puts the task back at that step for whoever comes, or starts its successor. */
async function letGo(db: Db, task: Task, step: string, log: Log): Promise<void> {
  try {
    await db.transaction(async (tx) => {
      const superseded = await fence(tx, task, sql`step = ${step}, state = 'queued', owner = null, run_at = now()`)
      if (superseded) await giveWay(tx, task.id)
    })
  } catch (error) {
    if (!(error instanceof Lost)) log.warn({ err: error, step }, 'the task stays until its lease ends')
  }
}

/** A step threw. A Fault fails the task; superseded or going down lets it go; anything else is tried again until the deadline. */
async function recover(
  world: World,
  definition: TaskDefinition,
  task: Task,
  step: string,
  attempt: number,
  startedAt: Date,
  error: unknown,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  if (error instanceof Lost) return log.warn('another worker has this task now')
  const { db } = world
  if (signal.aborted) return letGo(db, task, step, log)
  const late = Date.now() > task.deadlineAt.getTime()
  const fault =
    error instanceof Fault
      ? error
      : late
        ? new Fault('unavailable', `Gave up: ${words(step)} kept failing until the time for it was over.`, {
            cause: error,
          })
        : undefined
  if (!fault) log.warn({ err: error, step, attempt }, 'step failed, will be tried again')
  else if (!(error instanceof Fault)) log.error({ err: error, step }, 'task failed')
  const message = error instanceof Fault ? error.message : `internal error in ${words(step)}`
  try {
    await db.transaction(async (tx) => {
      if (fault) {
        const superseded = await fence(
          tx,
          task,
          sql`step = ${step}, state = 'failed', finished_at = now(), owner = null, error = ${fault.message}`,
        )
        await definition.failed(tx, task.input as never, fault)
        await journal(tx, task, step, 'failed', attempt + 1, startedAt, fault.message)
        if (superseded) await startSuccessor(tx, task.id)
      } else {
        const waitMs = Math.min(200 * 2 ** attempt, longestBackoffMs)
        const superseded = await fence(
          tx,
          task,
          sql`step = ${step}, state = 'queued', owner = null, attempt = ${attempt + 1}, error = ${message}, run_at = now() + ${waitMs} * interval '1 millisecond'`,
        )
        if (superseded) await giveWay(tx, task.id)
      }
    })
  } catch (cause) {
    if (cause instanceof Lost) return
    // `failed` itself threw: the task stays as it is and comes back when its lease ends. Somebody must look.
    log.error({ err: cause, step, alarm: true }, 'a task could not be brought to an end')
    throw cause
  }
}
