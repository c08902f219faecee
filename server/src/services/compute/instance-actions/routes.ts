// What was done with a server. The tasks are the record: there is no second one.
import { and, type Db, desc, eq, gte, inArray, lte, or, type SQL, sql } from '#lib/db.ts'
import { invalid, notFound } from '#lib/fault.ts'
import { nextUrl, one } from '#lib/http/page.ts'
import { type Request, route } from '#lib/http/route.ts'
import { parseVersion } from '#lib/microversion.ts'
import { type Task, type TaskStep, taskStep, taskTable } from '#lib/task.ts'
import { view } from '#lib/view.ts'
import { getServer, getServerEver, type ListedServer } from '../servers/model.ts'
import { hostId } from '../servers/views.ts'
import { bareTime, bareTimeOrNull, queryCount } from '../wire.ts'

interface Action {
  task: Task
  server: ListedServer
  steps?: TaskStep[]
}

/** Nova's word for what a task does. */
function actionName({ kind, input }: Task): string {
  if (kind === 'server.apply') return String(input['change']).replace(/-.*/, '')
  if (kind === 'server.interface') return `${String(input['verb'])}_interface`
  return kind.replace('server.', '')
}
const updatedAt = (task: Task) => task.finishedAt ?? task.createdAt

const actionFields = {
  action: (a: Action) => actionName(a.task),
  instance_uuid: (a: Action) => a.server.id,
  request_id: (a: Action) => a.task.requestId ?? `req-${a.task.id}`,
  user_id: (a: Action) => a.task.userId,
  project_id: (a: Action) => a.task.projectId,
  start_time: (a: Action) => bareTime(a.task.createdAt),
  message: (a: Action) => (a.task.state === 'failed' ? 'Error' : null),
  updated_at: { since: '2.58', get: (a: Action) => bareTime(updatedAt(a.task)) },
}
const target = (a: Action) => ({ project_id: a.server.projectId, user_id: a.server.userId })
const actionList = view<Action>(['instanceAction', 'instanceActions'], actionFields, target)
const actionView = view<Action>(
  ['instanceAction', 'instanceActions'],
  {
    ...actionFields,
    events: (a, viewer) => {
      const admin = viewer.policy.allows('os_compute_api:os-instance-actions:events', viewer.actor, target(a))
      if (!admin && viewer.version < parseVersion('2.51')) return undefined
      return (a.steps ?? []).map((step) => ({
        event: `${a.task.kind.replace('.', '_')}_${step.name}`,
        start_time: bareTime(step.startedAt),
        finish_time: bareTimeOrNull(step.finishedAt),
        result: step.state === 'done' ? 'Success' : 'Error',
        ...(admin && { traceback: null }),
        ...(viewer.version >= parseVersion('2.62') && {
          hostId: hostId(a.server.projectId, a.server.host),
          ...(admin && { host: a.server.host }),
        }),
        ...(viewer.version >= parseVersion('2.84') && { details: step.state === 'done' ? null : step.error }),
      }))
    },
  },
  target,
)

const deletedToo = parseVersion('2.21')
const paged = parseVersion('2.58')

/** Since 2.21 a deleted server's history can be read too. */
async function historyTarget(req: Request): Promise<ListedServer> {
  const id = req.params['id']!
  const row =
    req.version >= deletedToo ? await getServerEver(req.db, req.region, id) : await getServer(req.db, req.region, id)
  return row.projectId === req.actor.projectId || req.actor.isAdmin ? row : notFound('Instance', id)
}

function moment(req: Request, name: string): Date | undefined {
  const text = one(req.query, name)
  if (text === undefined) return undefined
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? invalid(`Invalid ${name} '${text}': it must be a time in ISO 8601 form.`) : at
}

async function tasksOf(db: Db, serverId: string, more: (SQL | undefined)[], limit: number): Promise<Task[]> {
  return db
    .select()
    .from(taskTable)
    .where(and(eq(taskTable.key, `server:${serverId}`), ...more))
    .orderBy(desc(taskTable.createdAt), desc(taskTable.id))
    .limit(limit)
}

export const instanceActionRoutes = [
  route({
    method: 'GET',
    path: '/servers/:id/os-instance-actions',
    policy: 'os_compute_api:os-instance-actions:list',
    target: historyTarget,
    async handle(req, server) {
      const { db, query, version } = req
      if (version < paged) {
        const all = await tasksOf(db, server.id, [], 1000)
        return actionList.list(
          all.map((task) => ({ task, server })),
          req.view,
        )
      }
      const [since, before] = [moment(req, 'changes-since'), moment(req, 'changes-before')]
      if (since && before && since > before) invalid('changes-since must not be later than changes-before.')
      const updated = sql`coalesce(${taskTable.finishedAt}, ${taskTable.createdAt})`
      const limit = Math.min(queryCount(query, 'limit') ?? 1000, 1000)
      const conditions: (SQL | undefined)[] = [since && gte(updated, since), before && lte(updated, before)]
      const marker = one(query, 'marker')
      if (marker !== undefined) {
        const [from] = await tasksOf(db, server.id, [eq(taskTable.requestId, marker)], 1)
        if (!from) invalid(`The marker ${marker} could not be found.`)
        conditions.push(sql`(${taskTable.createdAt}, ${taskTable.id}) < (${from.createdAt}, ${from.id})`)
      }
      const tasks = limit === 0 ? [] : await tasksOf(db, server.id, conditions, limit + 1)
      const page = tasks.slice(0, limit).map((task) => ({ task, server }))
      const last = page.at(-1)?.task.requestId
      const links = tasks.length > limit && last ? { links: [{ rel: 'next', href: nextUrl(req, last) }] } : {}
      return actionList.list(page, req.view, links)
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:id/os-instance-actions/:request',
    policy: 'os_compute_api:os-instance-actions:show',
    target: historyTarget,
    async handle(req, server) {
      const asked = req.params['request']!
      const own = /^req-([0-9a-f-]{36})$/.exec(asked)?.[1]
      const named = or(eq(taskTable.requestId, asked), own === undefined ? undefined : eq(taskTable.id, own))
      const [task] = await tasksOf(req.db, server.id, [named], 1)
      if (!task) return notFound('Action for request', asked)
      const steps = await req.db
        .select()
        .from(taskStep)
        .where(inArray(taskStep.taskId, [task.id]))
        .orderBy(taskStep.n)
      return actionView.show({ task, server, steps }, req.view)
    },
  }),
]
