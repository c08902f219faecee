// The hosts of a region as columns of numbers, kept in memory and brought up to date by what changed since the last look.
import { type Db, sql } from '#lib/db.ts'
import { capacityOf } from '../model.ts'

/** One resource class: a number for each host, by the host's place in the roster. A host without it has capacity 0. */
export interface Column {
  capacity: Float64Array
  used: Float64Array
  /** The most that one request may have of the host when it is empty, in whole steps. */
  most: Float64Array
  minUnit: Float64Array
  stepSize: Float64Array
}

export interface Roster {
  /** How many hosts; each array is at least that long. */
  size: number
  room: number
  readonly ids: string[]
  readonly names: string[]
  readonly reasons: (string | null)[]
  readonly placeOf: Map<string, number>
  enabled: Uint8Array
  readonly resources: Map<string, Column>
  /** 1 where the host has the trait, or is in the aggregate. */
  readonly traits: Map<string, Uint8Array>
  readonly aggregates: Map<string, Uint8Array>
}

export interface HostRow {
  id: string
  name: string
  enabled: boolean
  reason: string | null
  traits: readonly string[]
  aggregates: readonly string[]
  inventories: readonly {
    resourceClass: string
    total: number
    reserved: number
    minUnit: number
    maxUnit: number
    stepSize: number
    allocationRatio: number
    used: number
  }[]
}

export function emptyRoster(): Roster {
  return {
    size: 0,
    room: 0,
    ids: [],
    names: [],
    reasons: [],
    placeOf: new Map(),
    enabled: new Uint8Array(0),
    resources: new Map(),
    traits: new Map(),
    aggregates: new Map(),
  }
}

/** Adds the host, or replaces what is known of it. */
export function putHost(roster: Roster, host: HostRow): void {
  let at = roster.placeOf.get(host.id)
  if (at === undefined) {
    at = roster.size++
    roster.placeOf.set(host.id, at)
    if (roster.size > roster.room) grow(roster)
  }
  roster.ids[at] = host.id
  roster.names[at] = host.name
  roster.reasons[at] = host.reason
  roster.enabled[at] = host.enabled ? 1 : 0
  setFlags(roster, roster.traits, at, host.traits)
  setFlags(roster, roster.aggregates, at, host.aggregates)
  for (const column of roster.resources.values()) column.capacity[at] = column.used[at] = column.most[at] = 0
  for (const each of host.inventories) {
    let column = roster.resources.get(each.resourceClass)
    if (!column) roster.resources.set(each.resourceClass, (column = emptyColumn(roster.room)))
    column.capacity[at] = capacityOf(each)
    column.used[at] = each.used
    column.minUnit[at] = each.minUnit
    const limit = Math.min(capacityOf(each), each.maxUnit)
    column.most[at] = limit - (limit % each.stepSize)
    column.stepSize[at] = each.stepSize
  }
}

function setFlags(roster: Roster, flags: Map<string, Uint8Array>, at: number, names: readonly string[]): void {
  for (const flag of flags.values()) flag[at] = 0
  for (const name of names) {
    let flag = flags.get(name)
    if (!flag) flags.set(name, (flag = new Uint8Array(roster.room)))
    flag[at] = 1
  }
}

function emptyColumn(room: number): Column {
  const numbers = () => new Float64Array(room)
  return { capacity: numbers(), used: numbers(), most: numbers(), minUnit: numbers(), stepSize: numbers() }
}

function grow(roster: Roster): void {
  roster.room = Math.max(16, roster.room * 2)
  const bytes = (old: Uint8Array) => {
    const wider = new Uint8Array(roster.room)
    wider.set(old)
    return wider
  }
  roster.enabled = bytes(roster.enabled)
  for (const flags of [roster.traits, roster.aggregates]) for (const [name, flag] of flags) flags.set(name, bytes(flag))
  for (const column of roster.resources.values()) {
    for (const key of Object.keys(column) as (keyof Column)[]) {
      const wider = new Float64Array(roster.room)
      wider.set(column[key])
      column[key] = wider
    }
  }
}

/** A roster and how far it has read. */
export interface LiveRoster {
  roster: Roster
  /** Transactions before this one have been seen; as text, for it has 64 bits. */
  seenUpTo: string
  removals: number
}

export function unreadRoster(): LiveRoster {
  return { roster: emptyRoster(), seenUpTo: '0', removals: 0 }
}

interface ChangeRow {
  seen_up_to: string
  removals: number
  id: string | null
  name: string
  enabled: boolean
  disabled_reason: string | null
  traits: string[]
  aggregates: string[]
  resource_class: string | null
  total: number
  reserved: number
  min_unit: number
  max_unit: number
  step_size: number
  allocation_ratio: number
  used: number
}

/**
 * Reads what changed since the last time; one query, which returns next to nothing when nothing did. A transaction that
 * had not ended then is looked for again: `changed` is its number, and the horizon is the oldest one still running.
 */
export async function refreshRoster(db: Db, region: string, live: LiveRoster): Promise<void> {
  const rows = await readChanges(db, region, live.seenUpTo)
  const removals = rows[0]?.removals ?? 0
  if (removals !== live.removals && live.seenUpTo !== '0') {
    live.roster = emptyRoster()
    live.seenUpTo = '0'
    live.removals = removals
    return refreshRoster(db, region, live)
  }
  live.removals = removals
  live.seenUpTo = rows[0]?.seen_up_to ?? '0'
  const hosts = new Map<string, HostRow & { inventories: HostRow['inventories'][number][] }>()
  for (const row of rows) {
    if (row.id === null) continue
    let host = hosts.get(row.id)
    if (!host) {
      const { id, name, enabled, disabled_reason: reason, traits, aggregates } = row
      host = { id, name, enabled, reason, traits, aggregates, inventories: [] }
      hosts.set(id, host)
    }
    if (row.resource_class === null) continue
    host.inventories.push({
      resourceClass: row.resource_class,
      total: row.total,
      reserved: row.reserved,
      minUnit: row.min_unit,
      maxUnit: row.max_unit,
      stepSize: row.step_size,
      allocationRatio: row.allocation_ratio,
      used: row.used,
    })
  }
  for (const host of hosts.values()) putHost(live.roster, host)
}

function readChanges(db: Db, region: string, since: string): Promise<ChangeRow[]> {
  return db.rows<ChangeRow>(sql`
    select now.seen_up_to, now.removals, p.id, p.name, p.enabled, p.disabled_reason, p.traits, p.aggregates,
      i.resource_class, i.total, i.reserved, i.min_unit, i.max_unit, i.step_size, i.allocation_ratio, i.used::float8 as used
    from (
      select pg_snapshot_xmin(pg_current_snapshot())::text as seen_up_to,
        coalesce((select removals from provider_removals where region = ${region}), 0)::float8 as removals
    ) as now
    left join resource_provider p on p.region = ${region} and p.is_host and p.changed >= ${since}::text::xid8
    left join inventory i on i.provider_id = p.id`)
}
