// What an agent says of its host, taken over: rows change only where something has changed, and compute, network and
// whoever waits for the machine hear of it in the same transaction.
import type { MachineStatus, NetworkStatus, ReportedObject } from '@pileus/contract/agent.ts'
import { type Database, sql, type Tx } from '#lib/db.ts'
import type { Log } from '#lib/log.ts'
import { wakeTask } from '#lib/task.ts'
import type { CloudReports } from '../cloud.ts'
import { holdSession } from './model.ts'

/** Another connection speaks for the host now. */
export class Replaced extends Error {}

export interface Source {
  db: Database
  log: Log
  reports: CloudReports
  region: string
  host: { id: string; name: string }
  session: string
}

interface Known {
  id: string
  generation: number
  removed: boolean
  reportedGeneration: number
  status: MachineStatus | null
}

type Reported<Kind> = Extract<ReportedObject, { kind: Kind }>

/**
 * `sent`: the generations that this connection was sent, for a complete report: what was to vanish and is not in it has
 * vanished.
 */
export async function takeReport(
  source: Source,
  objects: readonly ReportedObject[],
  complete: { sent: ReadonlyMap<string, number> } | undefined,
): Promise<void> {
  const { db } = source
  await db.transaction(async (tx) => {
    if (!(await holdSession(tx, source.host.id, source.session))) throw new Replaced()
    const machines = objects.filter((each) => each.kind === 'machine')
    await takeMachines(tx, source, machines, complete)
    const network = objects.findLast((each) => each.kind === 'network')
    if (network) await takeNetwork(tx, source, network)
  })
}

async function takeMachines(
  tx: Tx,
  source: Source,
  machines: readonly Reported<'machine'>[],
  complete: { sent: ReadonlyMap<string, number> } | undefined,
): Promise<void> {
  const { reports, region, host } = source
  const reported = new Map(machines.map((each) => [each.id, each]))
  const known = await readKnown(tx, host.id, complete ? undefined : [...reported.keys()])
  const changed: Reported<'machine'>[] = []
  const gone: string[] = []
  const wake: string[] = []
  for (const row of known) {
    const now = reported.get(row.id)
    if (!now) {
      if (complete && row.removed && complete.sent.get(`machine/${row.id}`) === row.generation) gone.push(row.id)
    } else if (row.removed && now.status.power === 'absent' && now.generation >= row.generation) {
      gone.push(row.id)
    } else if (now.generation >= row.reportedGeneration && differs(row, now)) {
      changed.push(now)
      if (isNews(row, now)) wake.push(row.id)
      if (isNews(row, now) && !row.removed) await reports.compute.machineSeen(tx, region, row.id, now.status)
    }
  }
  if (changed.length > 0) await putStatuses(tx, host.id, changed)
  if (gone.length > 0)
    await tx.rows(sql`delete from kvm_object where host_id = ${host.id} and kind = 'machine' and id in ${gone}`)
  if (complete) await noteLeftovers(tx, source, known, machines)
  // after a reconnect also those that wait for nothing but the host
  const awake = complete ? known.map(({ id }) => id) : [...wake, ...gone]
  await wakeTask(tx, ...awake.map((id) => `server:${id}`))
}

async function readKnown(tx: Tx, hostId: string, ids: string[] | undefined): Promise<Known[]> {
  if (ids?.length === 0) return []
  const rows = await tx.rows<
    Omit<Known, 'generation' | 'reportedGeneration'> & Record<'generation' | 'reported', string>
  >(
    sql`select id, generation, spec is null as removed, reported_generation as reported, status from kvm_object
        where host_id = ${hostId} and kind = 'machine' and ${ids ? sql`id in ${ids}` : sql`true`} order by id for update`,
  )
  return rows.map(({ reported, ...row }) => ({
    ...row,
    generation: Number(row.generation),
    reportedGeneration: Number(reported),
  }))
}

function differs(row: Known, now: Reported<'machine'>): boolean {
  return now.generation !== row.reportedGeneration || row.status?.doing !== now.status.doing || isNews(row, now)
}

/** More than progress: something that somebody may wait for. */
function isNews({ status, generation, reportedGeneration }: Known, now: Reported<'machine'>): boolean {
  const arrived = now.generation >= generation && reportedGeneration < generation
  return (
    arrived ||
    status?.power !== now.status.power ||
    status.ready !== now.status.ready ||
    status.restartSerial !== now.status.restartSerial ||
    status.error !== now.status.error
  )
}

async function putStatuses(tx: Tx, hostId: string, changed: readonly Reported<'machine'>[]): Promise<void> {
  const rows = changed.map(({ id, generation, status }) => ({ id, generation, status, ready: status.ready }))
  await tx.rows(sql`
    update kvm_object o set reported_generation = r.generation, status = r.status, error_told = false,
      ready_generation = case when r.ready then r.generation else o.ready_generation end
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) r (id text, generation bigint, status jsonb, ready boolean)
    where o.host_id = ${hostId} and o.kind = 'machine' and o.id = r.id`)
}

/** Machines that are on the host and in nobody's plan. They are shown to the operator, never ended by themselves. */
async function noteLeftovers(
  tx: Tx,
  { reports, region, host, log }: Source,
  known: readonly Known[],
  machines: readonly Reported<'machine'>[],
): Promise<void> {
  const wished = new Set(known.map(({ id }) => id))
  const strange = machines.filter(({ id, status }) => !wished.has(id) && status.power !== 'absent').map(({ id }) => id)
  const placed = strange.length > 0 ? new Set(await reports.compute.machinesOn(tx, region, host.name)) : new Set()
  const leftovers = strange.filter((id) => !placed.has(id))
  if (leftovers.length > 0) log.warn({ host: host.name, machines: leftovers }, 'machines that nobody wishes for')
  await tx.rows(sql`
    update kvm_host set leftovers = ${JSON.stringify(leftovers)}::text::jsonb
    where id = ${host.id} and leftovers <> ${JSON.stringify(leftovers)}::text::jsonb`)
}

async function takeNetwork(tx: Tx, { reports, region, host, log }: Source, now: Reported<'network'>): Promise<void> {
  const { generation, status } = now
  const text = JSON.stringify({ ...status, ports: status.ports.toSorted() } satisfies NetworkStatus)
  const rows = await tx.rows(sql`
    update kvm_object set reported_generation = ${generation}, status = ${text}::text::jsonb,
      ready_generation = case when ${status.ready} then ${generation} else ready_generation end
    where host_id = ${host.id} and kind = 'network' and id = 'host' and reported_generation <= ${generation}
      and (reported_generation <> ${generation} or status is distinct from ${text}::text::jsonb)
    returning id`)
  if (status.error !== null)
    log.warn({ host: host.name, why: status.error }, 'the network of a host is not as it should be')
  if (rows.length > 0) await reports.network.portsSeen(tx, region, host.name, status.ports)
}
