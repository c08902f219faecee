// The task engine: claims due tasks, runs their steps, takes over from workers that died. Any number of processes run one.
//
// Liveness: a worker holds a session lock in PostgreSQL, which frees it the moment the process dies; others look for
// running tasks whose owner holds none and queue them again, at the same step. A lease covers a host that is cut off.
// Every commit of a step names the owner and the epoch of its claim, so the result of a worker that was taken for dead is
// refused.
import { setTimeout as delay } from 'node:timers/promises'
import { type Db, type SQL, sql, type Session } from '#lib/db.ts'
import { Crash, type RunOptions, runTask } from '#lib/run-task.ts'
import { setEager, type Task } from '#lib/task.ts'
import type { World } from '#lib/world.ts'

const lockSpace = 7001
const usualLeaseMs = 15_000
const pollMs = 500
// A step that does not heed its signal is left behind after that time; what it returns is then refused.
const patienceMs = 5000

export interface WorkerOptions {
  slots: number
  /** How long a task stays with a worker that is not heard from. */
  leaseMs?: number
}

export interface Worker {
  /** Stops claiming, lets running steps end, puts unfinished tasks back. */
  stop(): Promise<void>
  readonly running: number
}

/** Starts the engine in this process. */
export async function startWorker(world: World, options: WorkerOptions): Promise<Worker> {
  const { db, log } = world
  const { slots, leaseMs = usualLeaseMs } = options
  const busy = new Map<string, AbortController>()
  const running = new Set<Promise<void>>()
  let stopping = false
  let owner = 0
  // Undefined while no lock is held: then nothing is claimed.
  let session: Session | undefined
  let wake: () => void = () => {}
  let roused = false

  const rouse = () => {
    roused = true
    wake()
  }
  const register = async () => {
    const opened = await db.openSession(() => {
      if (session !== opened) return
      session = undefined
      rouse()
    })
    try {
      const [row] = await opened.rows<{ id: string }>(sql`select nextval('task_worker') id`)
      owner = Number(row!.id)
      await opened.rows(sql`select pg_advisory_lock(${lockSpace}, ${owner})`)
      session = opened
    } catch (error) {
      opened.release()
      throw error
    }
  }
  const start = (task: Task) => {
    const controller = new AbortController()
    busy.set(task.id, controller)
    const mine = runTask(world, task, controller)
      .catch((error: unknown) => log.error({ err: error, task: task.id }, 'task engine'))
      .finally(() => {
        // it may be here a second time, claimed again after its lease was lost
        if (busy.get(task.id) === controller) busy.delete(task.id)
        running.delete(mine)
        if (busy.size === slots - 1) rouse()
      })
    running.add(mine)
  }
  const abortAll = (why: string) => {
    for (const controller of busy.values()) controller.abort(new Error(why))
  }

  await register()
  world.db.subscribe('tasks', rouse)
  setEager({
    claim: () => (stopping || !session || busy.size >= slots ? undefined : { owner, leaseMs }),
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
        if (!session) {
          abortAll('lease lost')
          await register()
          log.info({ owner }, 'the worker has a new session in the database')
        }
        // on the one connection that is there anyway: looking twice a second must not keep others from going
        const own = session
        if (!own) continue
        const free = slots - busy.size
        if (free > 0) for (const task of await claim(own.rows, { owner, limit: free, leaseMs })) start(task)
        if (Date.now() - lastBeat > leaseMs / 3) {
          await beat(own.rows, owner, leaseMs, busy)
          lastBeat = Date.now()
        }
        await takeOver(own.rows, owner)
      } catch (error) {
        log.warn({ err: error }, 'the worker has trouble with the database')
        await delay(pollMs)
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
      abortAll('the process is going down')
      const patience = new AbortController()
      await Promise.race([
        Promise.allSettled(running),
        delay(patienceMs, undefined, { signal: patience.signal }).catch(() => {}),
      ])
      patience.abort()
      await putBack(db, owner).catch((error: unknown) => log.warn({ err: error }, 'tasks stay until their lease ends'))
      const held = session
      session = undefined
      held?.release()
    },
  }
}

type Ask = <Row extends object>(query: SQL) => Promise<Row[]>

/** Up to `limit` due tasks, now ours. `everything` ignores the time at which they are due (tests). */
async function claim(
  ask: Ask,
  {
    owner,
    limit,
    leaseMs,
    everything = false,
  }: { owner: number; limit: number; leaseMs: number; everything?: boolean },
): Promise<Task[]> {
  const due = everything ? sql`true` : sql`run_at <= now()`
  const rows = await ask<Record<string, unknown>>(sql`
    with picked as (
      select id from task where state = 'queued' and ${due} order by run_at limit ${limit} for update skip locked
    )
    update task set state = 'running', owner = ${owner}, epoch = epoch + 1,
           lease_until = now() + ${leaseMs} * interval '1 millisecond', wakes = 0
    from picked where task.id = picked.id returning task.*`)
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

/**
 * Renews the leases of the tasks at hand, and only of those: one that was left behind comes back when its lease ends.
 * Tells running steps that somebody wants to supersede them, or has taken them over.
 */
async function beat(
  ask: Ask,
  owner: number,
  leaseMs: number,
  busy: ReadonlyMap<string, AbortController>,
): Promise<void> {
  const atHand = [...busy]
  const ids = JSON.stringify(atHand.map(([id]) => id))
  const rows = await ask<{ id: string; superseded: boolean }>(sql`
    update task set lease_until = now() + ${leaseMs} * interval '1 millisecond'
    where owner = ${owner} and state = 'running' and id in (select jsonb_array_elements_text(${ids}::text::jsonb)::uuid)
    returning id, successor is not null as superseded`)
  const superseded = new Map(rows.map((row) => [row.id, row.superseded]))
  for (const [id, controller] of atHand) {
    if (!superseded.has(id)) controller.abort(new Error('lease lost'))
    else if (superseded.get(id)) controller.abort(new Error('superseded'))
  }
}

/** Queues again what belonged to workers that are gone, and what any worker left behind. */
async function takeOver(ask: Ask, owner: number): Promise<void> {
  const [open] = await ask(
    sql`select 1 from task where state = 'running' and (owner <> ${owner} or lease_until < now()) limit 1`,
  )
  if (!open) return
  await ask(sql`
    update task set state = 'queued', owner = null, run_at = now()
    where state = 'running' and (lease_until < now() or owner <> ${owner} and not exists (
      select 1 from pg_locks l where l.locktype = 'advisory' and l.granted and l.classid = ${lockSpace}::oid
        and l.objid = task.owner::oid and l.database = (select oid from pg_database where datname = current_database())))`)
}

async function putBack(db: Db, owner: number): Promise<void> {
  await db.transaction((tx) =>
    tx.rows(
      sql`update task set state = 'queued', owner = null, run_at = now() where state = 'running' and owner = ${owner}`,
    ),
  )
}

/**
 * Runs all that is queued to its end in this process, without waiting for due times: for tests. Returns the number of
 * claims. Throws when the tasks do not come to an end within `rounds`.
 */
export async function drainTasks(world: World, options: RunOptions & { rounds?: number } = {}): Promise<number> {
  let claims = 0
  for (let round = 0; round < (options.rounds ?? 200); round++) {
    const ask: Ask = (query) => world.db.transaction((tx) => tx.rows(query))
    const tasks = await claim(ask, { owner: -1, limit: 50, leaseMs: usualLeaseMs, everything: true })
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
