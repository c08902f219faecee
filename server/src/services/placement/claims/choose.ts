// The best host for a request: of those that pass every filter the one with the most left, as Nova's weighers have it
// (docs.openstack.org/nova, "Compute schedulers", Weights): each measure scaled to 0…1 over the hosts that pass, then summed.
import { type Filter, placesOf } from './filters.ts'
import type { PlacementRequest, Whereabouts } from './request.ts'
import type { Roster } from './roster.ts'

const measured = ['MEMORY_MB', 'VCPU', 'DISK_GB'] as const
/** Hosts this near to the best are as good: processes that place at once then seldom choose the same. */
const asGood = 0.05

export interface Candidate {
  /** The host's place in the roster. */
  host: number
  /** 0 … 3, and the wishes for company or solitude on top. Comparable within one request only. */
  weight: number
}

export function candidatesOf(
  roster: Roster,
  filters: readonly Filter[],
  request: PlacementRequest,
  where: Whereabouts,
): Candidate[] {
  const candidates: Candidate[] = []
  for (let host = 0; host < roster.size; host++)
    if (filters.every((filter) => filter.passes(host))) candidates.push({ host, weight: 0 })
  for (const resourceClass of measured) {
    const column = roster.resources.get(resourceClass)
    if (column) weigh(candidates, (host) => column.capacity[host]! - column.used[host]!, 1)
  }
  if (request.preferHostOf?.length) {
    const company = placesOf(roster, request.preferHostOf, where)
    weigh(candidates, (host) => (company.has(host) ? 1 : 0), 10)
  }
  if (request.spreadFrom?.length) {
    const crowd = new Map<number, number>()
    for (const id of request.spreadFrom) {
      const place = roster.placeOf.get(where.get(id) ?? '')
      if (place !== undefined) crowd.set(place, (crowd.get(place) ?? 0) + 1)
    }
    weigh(candidates, (host) => -(crowd.get(host) ?? 0), 10)
  }
  return candidates
}

function weigh(candidates: Candidate[], measure: (host: number) => number, factor: number): void {
  let low = Infinity
  let high = -Infinity
  for (const { host } of candidates) {
    const value = measure(host)
    if (value < low) low = value
    if (value > high) high = value
  }
  if (high <= low) return
  const scale = factor / (high - low)
  for (const candidate of candidates) candidate.weight += (measure(candidate.host) - low) * scale
}

/** One of the best, at random; undefined when there is none. */
export function choose(candidates: readonly Candidate[], random: () => number): number | undefined {
  let best = -Infinity
  for (const { weight } of candidates) if (weight > best) best = weight
  const good = candidates.filter(({ weight }) => weight >= best - asGood)
  return good[Math.floor(random() * good.length)]?.host
}
