import { request, type Session, signIn } from './cloud/session.ts'
import { getCredentials } from './credentials.ts'
import { dataDirectory } from './data-directory.ts'
import { readFlags } from './options.ts'
import { table } from './table.ts'
import { stop } from './trouble.ts'

type Fields = Record<string, unknown>

export async function task(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const flags = { data: { type: 'string' }, json: { type: 'boolean' }, all: { type: 'boolean' } } as const
  const { values, positionals } = readFlags('task', args, flags, { minimum: 1, maximum: 2 })
  const [verb, id] = positionals
  const credentials = getCredentials(dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var'), env)
  if (verb === 'list' && id === undefined) return list(await signIn(credentials), values)
  if (verb === 'show' && id !== undefined) return show(await signIn(credentials), id, values.json === true)
  return stop(`'pileus task' knows 'list' and 'show ID'.`, 2)
}

async function list(session: Session, { json, all }: { json?: boolean; all?: boolean }): Promise<void> {
  const query = all ? '?all_projects=1' : ''
  const reply = await request<{ tasks: Fields[] }>(session, 'GET', `${session.base}/tasks${query}`)
  if (json) return print(JSON.stringify(reply, null, 2))
  const columns = ['id', 'kind', 'resource', 'state', 'step', 'created_at']
  print(
    table(
      columns,
      reply.tasks.map((row) => columns.map((column) => cell(row[column]))),
    ),
  )
}

async function show(session: Session, id: string, json: boolean): Promise<void> {
  const reply = await request<{ task: Fields & { steps?: Fields[] } }>(
    session,
    'GET',
    `${session.base}/tasks/${encodeURIComponent(id)}`,
  )
  if (json) return print(JSON.stringify(reply, null, 2))
  const { steps = [], ...fields } = reply.task
  print(
    table(
      ['field', 'value'],
      Object.entries(fields).map(([name, value]) => [name, cell(value)]),
    ),
  )
  if (steps.length === 0) return
  const columns = Object.keys(steps[0] ?? {})
  print(
    `\n${table(
      columns,
      steps.map((step) => columns.map((column) => cell(step[column]))),
    )}`,
  )
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
