// Hosts as placement knows them: what they report becomes inventories and traits.
import { and, type Db, eq, inArray, sql, type Tx } from '#lib/db.ts'
import { conflict } from '#lib/fault.ts'
import { newId } from '#lib/id.ts'
import { customClass, customTrait, lockProviders, provider, uuids } from '../model.ts'
import { standardClasses } from '../resource-classes/standard.ts'
import { standardTraits } from '../traits/standard.ts'

/** What is left out stays as an operator set it, or has the default. */
export interface HostInventory {
  total: number
  reserved?: number
  minUnit?: number
  maxUnit?: number
  stepSize?: number
  allocationRatio?: number
}

export interface Host {
  region: string
  name: string
  /** By resource class; classes that are not named stay as they are. */
  inventories: Readonly<Record<string, HostInventory>>
  /** All that the host has; traits that an operator added beside them stay. */
  traits: readonly string[]
}

/** How far processors are overbooked where nobody says otherwise: Nova's initial ratios; memory and disk are not. */
const defaultRatios: Readonly<Record<string, number>> = { VCPU: 4, PCPU: 1, MEMORY_MB: 1, DISK_GB: 1 }

interface Numbers {
  total: number
  reserved: number
  min_unit: number
  max_unit: number
  step_size: number
  allocation_ratio: number
}

interface Known {
  id: string
  name: string
  traits: string[]
  reported_traits: string[]
  is_host: boolean
  inventories: Record<string, Numbers> | null
}

interface Change {
  id: string
  name: string
  traits: string[]
  reported: string[]
  inventories: Record<string, Numbers>
}

/** Makes the host known or brings it up to date; writes nothing when nothing changed. */
export async function ensureHost(tx: Tx, host: Host): Promise<{ id: string }> {
  const ids = await ensureHosts(tx, [host])
  return { id: ids.get(host.name)! }
}

/** The same for many hosts of one region at once; returns their provider ids by name. */
export async function ensureHosts(tx: Tx, hosts: readonly Host[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>()
  const [first] = hosts
  if (!first) return ids
  const { region } = first
  const known = new Map((await knownHosts(tx, region, hosts)).map((row) => [row.name, row]))
  const changes: Change[] = []
  for (const host of hosts) {
    if (host.region !== region) throw new Error('the hosts are of several regions')
    const now = known.get(host.name)
    const change = changeOf(host, now)
    ids.set(host.name, change?.id ?? now!.id)
    if (change) changes.push(change)
  }
  if (changes.length === 0) return ids
  await rememberNames(tx, region, changes)
  const written = await writeHosts(tx, region, changes)
  for (const { name, id } of written) ids.set(name, id)
  return ids
}

function knownHosts(db: Db, region: string, hosts: readonly Host[]): Promise<Known[]> {
  const names = JSON.stringify(hosts.map(({ name }) => name))
  return db.rows<Known>(sql`
    select p.id, p.name, p.traits, p.reported_traits, p.is_host,
      (select jsonb_object_agg(i.resource_class, jsonb_build_object('total', i.total, 'reserved', i.reserved,
        'min_unit', i.min_unit, 'max_unit', i.max_unit, 'step_size', i.step_size, 'allocation_ratio', i.allocation_ratio))
      from inventory i where i.provider_id = p.id) as inventories
    from resource_provider p
    where p.region = ${region} and p.name in (select jsonb_array_elements_text(${names}::text::jsonb))`)
}

/** What must be written; undefined when all is as the host says. */
function changeOf(host: Host, now: Known | undefined): Change | undefined {
  const reported = [...new Set(host.traits)].toSorted()
  const added = (now?.traits ?? []).filter((trait) => !now!.reported_traits.includes(trait))
  const traits = [...new Set([...reported, ...added])].toSorted()
  const inventories: Record<string, Numbers> = {}
  for (const [resourceClass, said] of Object.entries(host.inventories)) {
    const before = now?.inventories?.[resourceClass]
    const after: Numbers = {
      total: said.total,
      reserved: said.reserved ?? before?.reserved ?? 0,
      min_unit: said.minUnit ?? before?.min_unit ?? 1,
      // one machine never gets more than the host really has, however much it is overbooked
      max_unit: said.maxUnit ?? Math.max(said.total, 1),
      step_size: said.stepSize ?? before?.step_size ?? 1,
      allocation_ratio: said.allocationRatio ?? before?.allocation_ratio ?? defaultRatios[resourceClass] ?? 1,
    }
    if (!before || (Object.keys(after) as (keyof Numbers)[]).some((key) => after[key] !== before[key]))
      inventories[resourceClass] = after
  }
  const same =
    now?.is_host &&
    Object.keys(inventories).length === 0 &&
    traits.join() === now.traits.toSorted().join() &&
    reported.join() === now.reported_traits.toSorted().join()
  return same ? undefined : { id: now?.id ?? newId(), name: host.name, traits, reported, inventories }
}

async function writeHosts(tx: Tx, region: string, changes: readonly Change[]): Promise<{ id: string; name: string }[]> {
  // in the order of names, in which others that report the same new hosts insert them too
  const json = JSON.stringify(changes.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  await lockProviders(
    tx,
    changes.map(({ id }) => id),
  )
  const written = await tx.rows<{ id: string; name: string }>(sql`
    insert into resource_provider as p (id, region, name, root_id, is_host, traits, reported_traits)
    select c.id, ${region}, c.name, c.id, true, c.traits, c.reported
    from jsonb_to_recordset(${json}::text::jsonb) as c (id uuid, name text, traits text[], reported text[])
    on conflict (region, name) do update set is_host = true, traits = excluded.traits,
      reported_traits = excluded.reported_traits, generation = p.generation + 1, updated_at = now()
    returning p.id, p.name`)
  await tx.rows(sql`
    insert into inventory (provider_id, resource_class, total, reserved, min_unit, max_unit, step_size, allocation_ratio)
    select p.id, i.key, n.total, n.reserved, n.min_unit, n.max_unit, n.step_size, n.allocation_ratio
    from jsonb_to_recordset(${json}::text::jsonb) as c (name text, inventories jsonb)
    join resource_provider p on p.region = ${region} and p.name = c.name
    cross join jsonb_each(c.inventories) i
    cross join jsonb_to_record(i.value) as n (total integer, reserved integer, min_unit integer, max_unit integer,
      step_size integer, allocation_ratio double precision)
    on conflict (provider_id, resource_class) do update set total = excluded.total, reserved = excluded.reserved,
      min_unit = excluded.min_unit, max_unit = excluded.max_unit, step_size = excluded.step_size,
      allocation_ratio = excluded.allocation_ratio`)
  return written
}

/** Names that only these hosts know become known to the API. */
async function rememberNames(tx: Tx, region: string, changes: readonly Change[]): Promise<void> {
  const traits = new Set(changes.flatMap((change) => change.reported)).difference(standardTraits)
  const classes = new Set(changes.flatMap((change) => Object.keys(change.inventories))).difference(standardClasses)
  const rows = (of: ReadonlySet<string>) => [...of].toSorted().map((name) => ({ region, name }))
  if (traits.size > 0) await tx.insert(customTrait).values(rows(traits)).onConflictDoNothing()
  if (classes.size > 0) await tx.insert(customClass).values(rows(classes)).onConflictDoNothing()
}

/** Nova's sign for a host that takes no new machines. */
const disabledTrait = 'COMPUTE_STATUS_DISABLED'

/** Whether new machines may come to the host; those that are there stay. `reason` is shown to operators. */
export async function setHostEnabled(
  tx: Tx,
  region: string,
  name: string,
  enabled: boolean,
  reason: string | null = null,
): Promise<void> {
  await setHostsEnabled(tx, region, [name], enabled, reason)
}

/** The same for many; writes only what changes. */
export async function setHostsEnabled(
  tx: Tx,
  region: string,
  names: readonly string[],
  enabled: boolean,
  reason: string | null = null,
): Promise<void> {
  if (names.length === 0) return
  const why = enabled ? null : reason
  const changing = await tx
    .select({ id: provider.id })
    .from(provider)
    .where(
      and(
        eq(provider.region, region),
        inArray(provider.name, [...names]),
        sql`(${provider.enabled}, ${provider.disabledReason}) is distinct from (${enabled}::boolean, ${why}::text)`,
      ),
    )
  if (changing.length === 0) return
  const ids = changing.map(({ id }) => id)
  await lockProviders(tx, ids)
  await tx
    .update(provider)
    .set({
      enabled,
      disabledReason: why,
      traits: enabled
        ? sql`array_remove(${provider.traits}, ${disabledTrait})`
        : sql`array_remove(${provider.traits}, ${disabledTrait}) || ${disabledTrait}::text`,
      generation: sql`${provider.generation} + 1`,
      updatedAt: new Date(),
    })
    .where(inArray(provider.id, ids))
}

/** The host is no more. Throws conflict while something is placed on it; a host that is not known is no error. */
export async function removeHost(tx: Tx, region: string, name: string): Promise<void> {
  const [host] = await tx
    .select({ id: provider.id })
    .from(provider)
    .where(and(eq(provider.region, region), eq(provider.name, name)))
  if (!host) return
  await lockProviders(tx, [host.id])
  const [held] = await tx.rows<{ consumers: number }>(sql`
    select count(distinct consumer_id)::int as consumers from allocation where provider_id = ${host.id}`)
  if (held!.consumers > 0)
    conflict(`Host ${name} cannot be removed: ${held!.consumers} servers still have resources on it.`)
  await tx.delete(provider).where(eq(provider.id, host.id))
}

/** Puts the host into exactly these aggregates. */
export async function setHostAggregates(
  tx: Tx,
  region: string,
  name: string,
  aggregates: readonly string[],
): Promise<void> {
  await tx.rows(sql`
    update resource_provider set aggregates = ${uuids(aggregates)}::uuid[], generation = generation + 1, updated_at = now()
    where region = ${region} and name = ${name} and aggregates is distinct from ${uuids(aggregates)}::uuid[]`)
}

export interface HostUsage {
  providerId: string
  host: string
  enabled: boolean
  disabledReason: string | null
  /** By resource class. `capacity` is what may be given away in all: (total - reserved) × allocationRatio. */
  resources: Record<
    string,
    { total: number; reserved: number; allocationRatio: number; capacity: number; used: number }
  >
  /** How many consumers hold something there. */
  consumers: number
}

/** What each host of a region has and has given away, by name. */
export async function usageByHost(db: Db, region: string): Promise<Map<string, HostUsage>> {
  const rows = await db.rows<{
    id: string
    name: string
    enabled: boolean
    disabled_reason: string | null
    consumers: number
    resources: HostUsage['resources'] | null
  }>(sql`
    select p.id, p.name, p.enabled, p.disabled_reason, coalesce(a.consumers, 0) as consumers,
      (select jsonb_object_agg(i.resource_class, jsonb_build_object('total', i.total, 'reserved', i.reserved,
        'allocationRatio', i.allocation_ratio, 'capacity', floor((i.total - i.reserved) * i.allocation_ratio), 'used', i.used))
      from inventory i where i.provider_id = p.id) as resources
    from resource_provider p
    left join (
      select provider_id, count(distinct consumer_id)::int as consumers from allocation group by provider_id
    ) a on a.provider_id = p.id
    where p.region = ${region} and p.is_host order by p.name`)
  return new Map(
    rows.map(({ id, name, enabled, disabled_reason: disabledReason, consumers, resources }) => [
      name,
      { providerId: id, host: name, enabled, disabledReason, resources: resources ?? {}, consumers },
    ]),
  )
}
