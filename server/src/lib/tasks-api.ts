// `GET /tasks`, `GET /tasks/{id}`: what is happening to a resource, and why. For the owner of the resource.
import { and, type Db, eq } from '#lib/db.ts'
import { notFound } from '#lib/fault.ts'
import { listPage, nextLink, one, readPage } from '#lib/http/page.ts'
import { route, type Service } from '#lib/http/route.ts'
import { isUuid } from '#lib/id.ts'
import { policies, projectReader } from '#lib/policy.ts'
import { findDefinition, type Task, type TaskStep, taskStep, taskTable } from '#lib/task.ts'
import { view } from '#lib/view.ts'

const rules = policies({
  'tasks:list': projectReader,
  'tasks:list_all': 'role:admin',
  'tasks:get': projectReader,
})

const iso = (time: Date | null) => time?.toISOString() ?? null

const taskView = view<Task & { steps?: TaskStep[] }>(['task', 'tasks'], {
  id: (t) => t.id,
  kind: (t) => t.kind,
  resource: (t) => t.key,
  region: (t) => t.region,
  project_id: (t) => t.projectId,
  user_id: (t) => t.userId,
  request_id: (t) => t.requestId,
  state: (t) => t.state,
  step: (t) => t.step,
  steps: (t) => t.steps && stepsOf(t, t.steps),
  attempts: (t) => t.attempt,
  error: (t) => t.error,
  created_at: (t) => iso(t.createdAt),
  run_at: (t) => iso(t.runAt),
  deadline_at: (t) => iso(t.deadlineAt),
  finished_at: (t) => iso(t.finishedAt),
})

/** The steps that ended, and behind them those still to come. */
function stepsOf(task: Task, ended: TaskStep[]) {
  const past = ended.map((s) => ({
    name: s.name,
    state: s.state,
    attempts: s.attempts,
    error: s.error,
    started_at: iso(s.startedAt),
    finished_at: iso(s.finishedAt),
  }))
  if (task.finishedAt) return past
  const names = Object.keys(findDefinition(task.kind)?.steps ?? { [task.step]: true })
  const coming = names.slice(names.indexOf(task.step)).map((name) => ({
    name,
    state: name === task.step ? 'running' : 'waiting',
    attempts: name === task.step ? task.attempt : 0,
    error: name === task.step ? task.error : null,
    started_at: null,
    finished_at: null,
  }))
  return [...past, ...coming]
}

async function getTask(db: Db, id: string): Promise<Task> {
  const [found] = isUuid(id) ? await db.select().from(taskTable).where(eq(taskTable.id, id)) : []
  return found ?? notFound('Task', id)
}

const rowsOf = (db: Db, id: string) => db.select().from(taskStep).where(eq(taskStep.taskId, id)).orderBy(taskStep.n)

export const taskService: Service = {
  name: 'tasks',
  mount: '/tasks',
  prefix: '',
  regional: false,
  catalog: [{ type: 'tasks', name: 'pileus-tasks', path: '/tasks' }],
  uuidParams: true,
  policies: rules,
  envelope: (fault, status) => ({ body: { error: { code: status, message: fault.message } } }),
  routes: [
    route({
      method: 'GET',
      path: '',
      policy: 'tasks:list',
      async handle(req) {
        const page = readPage(req.query, {
          sortable: { created_at: taskTable.createdAt },
          defaultSort: [{ column: taskTable.createdAt, descending: true }],
          defaultLimit: 100,
        })
        const all = one(req.query, 'all_projects') !== undefined && req.allows('tasks:list_all')
        const wanted = (['state', 'key'] as const).map((name) => {
          const value = one(req.query, name === 'key' ? 'resource' : name)
          return value === undefined ? undefined : eq(taskTable[name], value as never)
        })
        const mine = all ? undefined : eq(taskTable.projectId, req.actor.projectId ?? '')
        const { rows, more } = await listPage(req.db, taskTable, taskTable.id, and(mine, ...wanted), page)
        const links = nextLink(req, rows, more)
        return taskView.list(rows, req.view, links && { tasks_links: links })
      },
    }),
    route({
      method: 'GET',
      path: '/:id',
      policy: 'tasks:get',
      async target(req) {
        const task = await getTask(req.db, req.params['id'] ?? '')
        return task.projectId === req.actor.projectId || req.actor.isAdmin ? task : notFound('Task', task.id)
      },
      async handle(req, task) {
        return taskView.show({ ...task, steps: await rowsOf(req.db, task.id) }, req.view)
      },
    }),
  ],
}
