// The task engine: claims due tasks, runs their steps, takes over from workers that died. Any number of processes run one.
//
// Liveness: a worker holds a session lock in PostgreSQL, which frees it the moment the process dies; others look for
// running tasks whose owner holds none and queue them again, at the same step. A lease covers a host that is cut off.
// Every commit of a step names the owner and the epoch of its claim, so the result of a worker that was taken for dead is
// refused.
import { setTimeout as delay } from 'node:timers/promises'
import { type Db, sql, type Session, type Tx } from '#lib/db.ts'
import { Fault } from '#lib/fault.ts'
import type { Log } from '#lib/log.ts'
import {
  findDefinition,
  type Outcome,
  type Run,
  setEager,
  succeed,
  type Task,
  type TaskDefinition,
  taskStep,
} from '#lib/task.ts'
import type { World } from '#lib/world.ts'

const lockSpace = 7001
const leaseMs = 15_000
const pollMs = 500
const longestBackoffMs = 30_000

export interface WorkerOptions {
  slots: number
  /** For the crash harness: called at the end of each step; 'before' loses its outcome, 'after' stops right behind the commit. */
  crash?: (task: Task, step: string) => 'before' | 'after' | undefined
}

export interface Worker {
  /** Stops claiming, lets running steps end, puts unfinished tasks back. */
  stop(): Promise<void>
  readonly running: number
}

/** Starts the engine in this process. */
export async function startWorker(world: World, options: WorkerOptions): Promise<Worker> {
  const { db, log } = world
  const busy = new Map<string, AbortController>()
  const running = new Set<Promise<void>>()
  let stopping = false
  let owner = 0
  let session: Session | undefined
  let wake: () => void = () => {}
  let roused = false

  const register = async () => {
    session?.release()
    session = await db.openSession()
    const [row] = await session.rows<{ id: string }>(`select nextval('task_worker') id`)
    owner = Number(row!.id)
    await session.rows('select pg_advisory_lock($1, $2)', [lockSpace, owner])
  }
  const rouse = () => {
    roused = true
    wake()
  }
  const start = (task: Task) => {
    const controller = new AbortController()
    busy.set(task.id, controller)
    const mine = runTask(world, task, controller, options)
      .catch((error: unknown) => log.error({ err: error, task: task.id }, 'task engine'))
      .finally(() => {
        busy.delete(task.id)
        running.delete(mine)
        if (busy.size === options.slots - 1) rouse()
      })
    running.add(mine)
  }

  await register()
  world.db.subscribe('tasks', rouse)
  setEager({
    claim: () => (stopping || busy.size >= options.slots ? undefined : { owner, leaseMs }),
    committed: (row) => start(row),
    queued: () => {
      rouse()
      db.publish('tasks', '')
    },
  })

  const loop = (async () => {
    let lastBeat = Date.now()
    while (!stopping) {
      roused = false
      try {
        const free = options.slots - busy.size
        if (free > 0) for (const task of await claim(db, owner, free)) start(task)
        if (Date.now() - lastBeat > leaseMs / 3) {
          await beat(session!, owner, busy)
          lastBeat = Date.now()
        }
        await takeOver(db, owner)
      } catch (error) {
        log.warn({ err: error }, 'the worker lost the database')
        for (const controller of busy.values()) controller.abort(new Error('lease lost'))
        await delay(pollMs)
        await register().catch(() => {})
      }
      if (roused || stopping) continue
      await new Promise<void>((done) => {
        const timer = setTimeout(done, pollMs)
        wake = () => {
          clearTimeout(timer)
          done()
        }
      })
    }
  })()

  return {
    get running() {
      return busy.size
    },
    async stop() {
      stopping = true
      setEager(undefined)
      wake()
      await loop
      for (const controller of busy.values()) controller.abort(new Error('the process is going down'))
      await Promise.allSettled(running)
      await putBack(db, owner).catch((error: unknown) => log.warn({ err: error }, 'tasks stay until their lease ends'))
      session?.release()
    },
  }
}

/** Up to `limit` due tasks, now ours. `everything` ignores the time at which they are due (tests). */
async function claim(db: Db, owner: number, limit: number, everything = false): Promise<Task[]> {
  const due = everything ? sql`true` : sql`run_at <= now()`
  const rows = await db.transaction((tx) =>
    tx.rows<Record<string, unknown>>(sql`
      with picked as (
        select id from task where state = 'queued' and ${due} order by run_at limit ${limit} for update skip locked
      )
      update task set state = 'running', owner = ${owner}, epoch = epoch + 1,
             lease_until = now() + ${leaseMs} * interval '1 millisecond', wakes = 0
      from picked where task.id = picked.id returning task.*`),
  )
  return rows.map(asTask)
}

function asTask(row: Record<string, unknown>): Task {
  const camel = Object.entries(row).map(([key, value]) => [
    key.replaceAll(/_([a-z])/g, (_, c: string) => c.toUpperCase()),
    value,
  ])
  const task = Object.fromEntries(camel) as Record<string, unknown>
  for (const key of ['runAt', 'leaseUntil', 'deadlineAt', 'createdAt']) task[key] = new Date(String(task[key]))
  task['owner'] = Number(task['owner'])
  return task as unknown as Task
}

/** Renews the leases and tells running steps that somebody wants to supersede them. */
async function beat(session: Session, owner: number, busy: Map<string, AbortController>): Promise<void> {
  const rows = await session.rows<{ id: string; superseded: boolean }>(
    `update task set lease_until = now() + $2 * interval '1 millisecond' where owner = $1 and state = 'running'
     returning id, successor is not null as superseded`,
    [owner, leaseMs],
  )
  for (const { id, superseded } of rows) if (superseded) busy.get(id)?.abort(new Error('superseded'))
}

/** Queues again what belonged to workers that are gone. */
async function takeOver(db: Db, owner: number): Promise<void> {
  const others = await db.rows<{ owner: string }>(
    sql`select distinct owner from task where state = 'running' and owner <> ${owner}`,
  )
  if (others.length === 0) return
  await db.transaction((tx) =>
    tx.rows(sql`
      update task set state = 'queued', owner = null, run_at = now()
      where state = 'running' and owner <> ${owner} and (lease_until < now() or not exists (
        select 1 from pg_locks l where l.locktype = 'advisory' and l.granted and l.classid = ${lockSpace}::oid
          and l.objid = task.owner::oid and l.database = (select oid from pg_database where datname = current_database())))`),
  )
}

async function putBack(db: Db, owner: number): Promise<void> {
  await db.transaction((tx) =>
    tx.rows(
      sql`update task set state = 'queued', owner = null, run_at = now() where state = 'running' and owner = ${owner}`,
    ),
  )
}

class Crash extends Error {}

/** Runs step after step until the task sleeps, ends, or is no longer ours. */
async function runTask(
  world: World,
  claimed: Task,
  controller: AbortController,
  options: Pick<WorkerOptions, 'crash'>,
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
      if (controller.signal.aborted && upcoming !== undefined) return
    } catch (error) {
      if (error instanceof Crash) throw error
      await recover(world, definition, claimed, step, attempt, startedAt, error, controller.signal, log)
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
      await succeed(tx, task.key)
      return undefined
    }
    if (!stays) {
      if (following === undefined && superseded) await afterDone(tx, task)
      return following
    }
    await sleep(tx, task, name, outcome.afterMs)
    return undefined
  })
}

/** The successor of a task that came to its end before it saw that it was superseded. */
async function afterDone(tx: Tx, task: Task): Promise<void> {
  await tx.rows(sql`update task set state = 'cancelled' where id = ${task.id}`)
  await succeed(tx, task.key)
  await tx.rows(sql`update task set state = 'done' where id = ${task.id}`)
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
  if (superseded) await succeed(tx, task.key)
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
  if (signal.aborted) {
    await db
      .transaction(async (tx) => {
        const superseded = await fence(tx, task, sql`step = ${step}, state = 'queued', owner = null, run_at = now()`)
        if (superseded) await succeed(tx, task.key)
      })
      .catch(() => {})
    return
  }
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
        if (superseded) {
          await tx.rows(sql`update task set state = 'cancelled' where id = ${task.id}`)
          await succeed(tx, task.key)
          await tx.rows(sql`update task set state = 'failed' where id = ${task.id}`)
        }
      } else {
        const waitMs = Math.min(200 * 2 ** attempt, longestBackoffMs)
        const superseded = await fence(
          tx,
          task,
          sql`step = ${step}, state = 'queued', owner = null, attempt = ${attempt + 1}, error = ${message}, run_at = now() + ${waitMs} * interval '1 millisecond'`,
        )
        if (superseded) await succeed(tx, task.key)
      }
    })
  } catch (cause) {
    if (cause instanceof Lost) return
    // `failed` itself threw: the task stays as it is and comes back when its lease ends. Somebody must look.
    log.error({ err: cause, step, alarm: true }, 'a task could not be brought to an end')
    throw cause
  }
}

/**
 * Runs all that is queued to its end in this process, without waiting for due times: for tests. Returns the number of
 * claims. Throws when the tasks do not come to an end within `rounds`.
 */
export async function drainTasks(
  world: World,
  options: Pick<WorkerOptions, 'crash'> & { rounds?: number } = {},
): Promise<number> {
  let claims = 0
  for (let round = 0; round < (options.rounds ?? 200); round++) {
    const tasks = await claim(world.db, -1, 50, true)
    if (tasks.length === 0) return claims
    claims += tasks.length
    await Promise.all(
      tasks.map((task) =>
        runTask(world, task, new AbortController(), options).catch(async (error: unknown) => {
          if (!(error instanceof Crash)) throw error
          await putBackOne(world.db, task)
        }),
      ),
    )
  }
  const left = await world.db.rows<{ kind: string; step: string; error: string | null }>(
    sql`select kind, step, error from task where finished_at is null`,
  )
  throw new Error(`tasks do not come to an end: ${JSON.stringify(left)}`)
}

async function putBackOne(db: Db, task: Task): Promise<void> {
  await db.transaction((tx) =>
    tx.rows(
      sql`update task set state = 'queued', owner = null, run_at = now() where id = ${task.id} and state = 'running'`,
    ),
  )
}
