import { download, request, type Session, signIn } from './cloud/session.ts'
import { getCredentials } from './credentials.ts'
import { dataDirectory } from './data-directory.ts'
import { parseCount, readFlags } from './options.ts'
import { table } from './table.ts'
import { stop } from './trouble.ts'

interface Verdict {
  ok: boolean
  checked: number
  first: number
  head: { seq: number; hash: string }
  broken: { seq: number; why: string } | null
}

interface Event {
  eventTime: string
  action: string
  outcome: string
  reason: { reasonCode: string }
  initiator: { id: string; host?: { address: string } }
  target: { typeURI: string; id: string }
  attachments: { name: string; content: unknown }[]
}

const filters = ['from', 'to', 'initiator', 'target', 'action', 'outcome', 'service', 'project'] as const

export async function audit(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const text = { type: 'string' } as const
  const flags = {
    ...{ data: text, format: text, limit: text },
    head: { type: 'string', multiple: true },
    ...{
      from: text,
      to: text,
      initiator: text,
      target: text,
      action: text,
      outcome: text,
      service: text,
      project: text,
    },
  } as const
  const { values, positionals } = readFlags('audit', args, flags, { minimum: 1, maximum: 1 })
  const [verb] = positionals
  if (verb !== 'verify' && verb !== 'list') return stop(`'pileus audit' knows 'list' and 'verify'.`, 2)
  const limit = parseCount('--limit', values.limit ?? '50', 1)
  const credentials = getCredentials(dataDirectory(values.data ?? env['PILEUS_DATA'] ?? 'var'), env)
  const session = await signIn(credentials)
  if (verb === 'verify') return verify(session, values.head ?? [])
  const query = new URLSearchParams()
  for (const name of filters) {
    const value = values[name]
    if (value !== undefined) query.set(name === 'project' ? 'project_id' : name, value)
  }
  return list(session, query, values.format ?? 'table', limit)
}

/** Exit code 1, and the first record that is not as it was written, when the trail does not hold. */
async function verify(session: Session, heads: string[]): Promise<void> {
  const query = new URLSearchParams(heads.map((head) => ['head', head]))
  const verdict = await request<Verdict>(session, 'GET', `${session.base}/audit/verify?${query}`)
  const { ok, checked, first, head, broken } = verdict
  if (!ok || broken)
    return stop(
      `The audit trail is broken at record ${broken?.seq}: ${broken?.why}. ${checked} records before it hold.`,
    )
  print(`${checked} records from ${first} on hold.`)
  print(`head ${head.seq}:${head.hash}`)
}

async function list(session: Session, query: URLSearchParams, format: string, limit: number): Promise<void> {
  if (format === 'csv' || format === 'jsonl') {
    query.set('format', format)
    await download(session, `${session.base}/audit/events?${query}`, process.stdout)
    return
  }
  if (format !== 'table') stop(`--format wants table, csv or jsonl, not '${format}'.`, 2)
  query.set('limit', String(limit))
  const { events } = await request<{ events: Event[] }>(session, 'GET', `${session.base}/audit/events?${query}`)
  const rows = events.map((event) => [
    event.eventTime,
    event.action,
    `${event.outcome} ${event.reason.reasonCode}`,
    event.initiator.id,
    event.initiator.host?.address ?? '-',
    event.target.typeURI,
    event.target.id,
  ])
  print(table(['time', 'action', 'outcome', 'initiator', 'address', 'target', 'target id'], rows))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
