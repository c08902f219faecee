// The hosts of a region as compute knows them: what they said of themselves, whether they live, whether they take servers.
import type { HostFacts } from '@pileus/contract/agent.ts'
import { and, boolean, type Db, eq, integer, jsonb, pgTable, sql, text, timestamp, type Tx, uuid } from '#lib/db.ts'
import { bug } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const computeHost = pgTable('compute_host', {
  n: integer().notNull().generatedAlwaysAsIdentity(),
  id: uuid().primaryKey(),
  serviceId: uuid('service_id').notNull(),
  region: text().notNull(),
  name: text().notNull(),
  vcpus: integer().notNull(),
  memoryMb: integer('memory_mb').notNull(),
  diskGb: integer('disk_gb').notNull(),
  facts: jsonb().$type<HostFacts>().notNull(),
  disabled: boolean().notNull().default(false),
  disabledReason: text('disabled_reason'),
  forcedDown: boolean('forced_down').notNull().default(false),
  markedDown: boolean('marked_down').notNull().default(false),
  createdAt: moment('created_at').notNull().defaultNow(),
  changedAt: moment('changed_at').notNull().defaultNow(),
  lastSeenAt: moment('last_seen_at').notNull().defaultNow(),
})
export type ComputeHost = typeof computeHost.$inferSelect

/** A host that was not heard from for so long is down. */
export const aliveForMs = 30_000
export function isUp(host: Pick<ComputeHost, 'lastSeenAt' | 'forcedDown'>, now = Date.now()): boolean {
  return !host.forcedDown && now - host.lastSeenAt.getTime() < aliveForMs
}

export async function listHosts(db: Db, region: string): Promise<ComputeHost[]> {
  return db.select().from(computeHost).where(eq(computeHost.region, region)).orderBy(computeHost.n)
}
export async function findHost(db: Db, region: string, name: string): Promise<ComputeHost | undefined> {
  const [found] = await db
    .select()
    .from(computeHost)
    .where(and(eq(computeHost.region, region), eq(computeHost.name, name)))
  return found
}

/** Adds hosts, or writes down what they say of themselves now. */
export async function putHosts(tx: Tx, region: string, hosts: readonly HostFacts[]): Promise<void> {
  if (hosts.length === 0) return
  const rows = hosts
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((facts) => ({
      id: newId(),
      serviceId: newId(),
      region,
      name: facts.name,
      vcpus: facts.vcpus,
      memoryMb: facts.memoryMb,
      diskGb: facts.diskGb,
      facts,
    }))
  await tx
    .insert(computeHost)
    .values(rows)
    .onConflictDoUpdate({
      target: [computeHost.region, computeHost.name],
      set: {
        vcpus: sql`excluded.vcpus`,
        memoryMb: sql`excluded.memory_mb`,
        diskGb: sql`excluded.disk_gb`,
        facts: sql`excluded.facts`,
        lastSeenAt: sql`now()`,
      },
    })
}

export async function touchHosts(tx: Tx, region: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await tx.rows(
    sql`update compute_host set last_seen_at = now() where region = ${region} and name in ${[...names].toSorted()}`,
  )
}

/** Hosts that went down or came back since this was last asked; they are marked so. */
export async function markFallen(
  tx: Tx,
  region: string,
): Promise<{ name: string; down: boolean; disabled: boolean }[]> {
  return tx.rows(sql`
    update compute_host set marked_down = not marked_down
    where region = ${region}
      and marked_down is distinct from (forced_down or last_seen_at < now() - ${aliveForMs} * interval '1 millisecond')
    returning name, marked_down as down, disabled`)
}

export async function changeHost(
  tx: Tx,
  id: string,
  set: Partial<Pick<ComputeHost, 'disabled' | 'disabledReason' | 'forcedDown'>>,
): Promise<ComputeHost> {
  const [row] = await tx
    .update(computeHost)
    .set({ ...set, changedAt: sql`now()` as unknown as Date })
    .where(eq(computeHost.id, id))
    .returning()
  return row ?? bug(`host ${id} is gone`)
}
export async function deleteHost(tx: Tx, id: string): Promise<void> {
  await tx.delete(computeHost).where(eq(computeHost.id, id))
}

/** What runs on each host: numbers of servers and what their flavors take. */
export interface HostUse {
  host: string
  servers: number
  vcpus: number
  memoryMb: number
  diskGb: number
}
export async function hostUse(db: Db, region: string): Promise<Map<string, HostUse>> {
  const rows = await db.rows<HostUse>(sql`
    select host, count(*)::int as servers, sum(vcpus)::int as vcpus, sum(ram_mb)::int as "memoryMb",
      sum((flavor->>'diskGb')::int + (flavor->>'ephemeralGb')::int)::int as "diskGb"
    from server where region = ${region} and host is not null and deleted_at is null group by host`)
  return new Map(rows.map((row) => [row.host, row]))
}
