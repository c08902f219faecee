// The operator's view of the hosts.
import { type Db, first, sql, type Tx } from '#lib/db.ts'
import { conflict, notFound } from '#lib/fault.ts'
import { wakeTask } from '#lib/task.ts'
import type { CloudReports } from '../cloud.ts'
import { connected } from './model.ts'

/** Every host that has joined, by name. */
export async function listHosts(db: Db, region: string): Promise<object[]> {
  const rows = await db.rows<Record<string, unknown> & { joined_at: string; last_seen_at: string | null }>(sql`
    select id, name, case when ${connected} then 'connected' when last_seen is null then 'never seen' else 'away' end as state,
      joined_at, last_seen as last_seen_at, facts, pulse, leftovers,
      (select count(*)::int from kvm_object o where o.host_id = kvm_host.id and kind = 'machine') as machines
    from kvm_host where region = ${region} order by name`)
  const iso = (time: string | null) => (time === null ? null : new Date(time).toISOString())
  return rows.map((row) => ({ ...row, joined_at: iso(row.joined_at), last_seen_at: iso(row.last_seen_at) }))
}

/**
 * Forgets the host: its key is good for nothing any more. Throws a conflict while machines should be there. What was to
 * vanish from it counts as gone.
 */
export async function removeHost(tx: Tx, region: string, name: string, reports: CloudReports): Promise<void> {
  const host = first(
    await tx.rows<{ id: string }>(sql`select id from kvm_host where region = ${region} and name = ${name} for update`),
  )
  if (!host) return notFound('Host', name)
  const machines = await tx.rows<{ id: string; wished: boolean }>(
    sql`select id, spec is not null as wished from kvm_object where host_id = ${host.id} and kind = 'machine'`,
  )
  const wished = new Set(machines.filter((machine) => machine.wished).map(({ id }) => id))
  const vanishing = new Set(machines.filter((machine) => !machine.wished).map(({ id }) => id))
  for (const id of await reports.compute.machinesOn(tx, region, name)) if (!vanishing.has(id)) wished.add(id)
  if (wished.size > 0)
    return conflict(
      `${wished.size === 1 ? 'A machine is' : `${wished.size} machines are`} on host ${name}: remove them first.`,
    )
  await tx.rows(sql`delete from kvm_host where id = ${host.id}`)
  await wakeTask(tx, ...[...vanishing].map((id) => `server:${id}`))
  return tx.publish('kvm', `session ${host.id} none`)
}
