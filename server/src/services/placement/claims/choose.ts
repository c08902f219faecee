// The best host for a request: of those that pass every filter the one with the most left, as Nova's weighers have it
// (docs.openstack.org/nova, "Compute schedulers", Weights): each measure scaled to 0…1 over the hosts that pass, then summed.
import { type Filter, placesOf } from './filters.ts'
import type { PlacementRequest, Whereabouts } from './request.ts'
import type { Roster } from './roster.ts'

const measured = ['MEMORY_MB', 'VCPU', 'DISK_GB'] as const
/** Hosts this near to the best are as good: processes that place at once then seldom choose the same. */
const asGood = 0.05

export interface Candidates {
  count: number
  /** The hosts' places in the roster, `count` of them. */
  hosts: Int32Array
  /** 0 … 3, and the wishes for company or solitude on top. Comparable within one request only. */
  weights: Float64Array
}

/** All hosts that fit, with their weights. */
export function candidatesOf(
  roster: Roster,
  filters: readonly Filter[],
  request: PlacementRequest,
  where: Whereabouts,
): Candidates {
  const { size } = roster
  const passing = new Uint8Array(size).fill(1)
  for (const filter of filters) filter.refuse(passing)
  const found: Candidates = { count: 0, hosts: new Int32Array(size), weights: new Float64Array(size) }
  for (let host = 0; host < size; host++) if (passing[host] === 1) found.hosts[found.count++] = host
  const measure = new Float64Array(size)
  for (const resourceClass of measured) {
    const column = roster.resources.get(resourceClass)
    if (!column) continue
    for (let i = 0; i < found.count; i++) {
      const host = found.hosts[i]!
      measure[i] = column.capacity[host]! - column.used[host]!
    }
    weigh(found, measure, 1)
  }
  if (request.preferHostOf?.length) {
    const company = placesOf(roster, request.preferHostOf, where)
    for (let i = 0; i < found.count; i++) measure[i] = company.has(found.hosts[i]!) ? 1 : 0
    weigh(found, measure, 10)
  }
  if (request.spreadFrom?.length) {
    const crowd = new Float64Array(size)
    for (const id of request.spreadFrom) {
      const place = roster.placeOf.get(where.get(id.toLowerCase()) ?? '')
      if (place !== undefined) crowd[place]! += 1
    }
    for (let i = 0; i < found.count; i++) measure[i] = -crowd[found.hosts[i]!]!
    weigh(found, measure, 10)
  }
  return found
}

function weigh({ count, weights }: Candidates, measure: Float64Array, factor: number): void {
  let low = Infinity
  let high = -Infinity
  for (let i = 0; i < count; i++) {
    const value = measure[i]!
    if (value < low) low = value
    if (value > high) high = value
  }
  if (high <= low) return
  const scale = factor / (high - low)
  for (let i = 0; i < count; i++) weights[i]! += (measure[i]! - low) * scale
}

/** One of the best, at random; undefined when there is none. */
export function choose({ count, hosts, weights }: Candidates, random: () => number): number | undefined {
  let best = -Infinity
  for (let i = 0; i < count; i++) if (weights[i]! > best) best = weights[i]!
  let good = 0
  for (let i = 0; i < count; i++) if (weights[i]! >= best - asGood) good++
  let skip = Math.floor(random() * good)
  for (let i = 0; i < count; i++) if (weights[i]! >= best - asGood && skip-- === 0) return hosts[i]
  return undefined
}
