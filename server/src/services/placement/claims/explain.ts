// Why nothing fits, in words for the one who asked: how many hosts each filter refuses, and the least change that helps.
import { describe, type Filter } from './filters.ts'
import type { PlacementRequest } from './request.ts'
import type { Roster } from './roster.ts'

export interface Refusal {
  /** How many hosts there are. */
  hosts: number
  /** How many of them each filter refuses; a host may be refused by several. The most frequent first. */
  refusedBy: { filter: string; hosts: number }[]
  /** A sentence, or null when no change of the request would help. */
  smallestChange: string | null
}

export function explain(
  roster: Roster,
  filters: readonly Filter[],
  request: PlacementRequest,
): { message: string; refusal: Refusal } {
  const { size } = roster
  const wanted = Object.entries(request.resources)
    .filter(([, amount]) => amount > 0)
    .map(([name, amount]) => describe(name, amount))
  const asked = listed(wanted)
  if (size === 0) {
    return {
      message: `There is no host yet in region ${request.region} that could give ${asked}.`,
      refusal: { hosts: 0, refusedBy: [], smallestChange: null },
    }
  }
  const verdicts = filters.map((filter): Verdict => {
    const passing = new Uint8Array(size).fill(1)
    filter.refuse(passing)
    return { filter, passing }
  })
  const refused = verdicts
    .map(({ filter, passing }) => ({ filter, hosts: passing.reduce((hosts, pass) => hosts + 1 - pass, 0) }))
    .filter(({ hosts }) => hosts > 0)
    .toSorted((a, b) => b.hosts - a.hosts)
  const change = smallestChange(size, verdicts)
  const why = listed(refused.map(({ filter, hosts }) => filter.says(hosts)))
  const head = `No host fits ${asked}: of ${size === 1 ? '1 host' : `${size} hosts`}, ${why}.`
  return {
    message: change === null ? head : `${head} ${change}.`,
    refusal: {
      hosts: size,
      refusedBy: refused.map(({ filter, hosts }) => ({ filter: filter.name, hosts })),
      smallestChange: change,
    },
  }
}

/** What a filter says of every host. */
interface Verdict {
  filter: Filter
  passing: Uint8Array
}

interface Gap {
  /** The filters other than resources that must give way. */
  dropped: Filter[]
  /** Resource class → how much less would do. */
  less: Map<string, number>
  cost: number
}

function gapOf(verdicts: readonly Verdict[], host: number): Gap {
  const gap: Gap = { dropped: [], less: new Map(), cost: 0 }
  for (const { filter, passing } of verdicts) {
    if (passing[host] === 1) continue
    const { need } = filter
    if (!need) {
      gap.dropped.push(filter)
      gap.cost += filter.cost
      continue
    }
    if (gap.less.has(need.resourceClass)) continue
    const short = need.amount - need.available(host)
    gap.less.set(need.resourceClass, short)
    // one thing more to change weighs more than any amount of one thing; nothing left of it is hardly a change of it
    gap.cost += filter.cost + short / need.amount + (short >= need.amount ? 5 : 0)
  }
  return gap
}

function smallestChange(size: number, verdicts: readonly Verdict[]): string | null {
  let best: Gap | undefined
  for (let host = 0; host < size; host++) {
    const gap = gapOf(verdicts, host)
    if (!best || gap.cost < best.cost) best = gap
  }
  if (!best) return null
  const least = best
  let helped = 0
  for (let host = 0; host < size; host++) {
    const { dropped, less } = gapOf(verdicts, host)
    const within =
      dropped.every((filter) => least.dropped.includes(filter)) &&
      [...less].every(([resourceClass, short]) => short <= (least.less.get(resourceClass) ?? 0))
    if (within) helped++
  }
  const needs = new Map(verdicts.flatMap(({ filter: { need } }) => (need ? [[need.resourceClass, need.amount]] : [])))
  const smaller: string[] = []
  const freed: string[] = []
  for (const [resourceClass, short] of least.less) {
    if (short < (needs.get(resourceClass) ?? 0)) smaller.push(`${describe(resourceClass, short)} less`)
    else freed.push(describe(resourceClass, short))
  }
  const parts = [...(smaller.length > 0 ? [`with ${listed(smaller)}`] : []), ...least.dropped.map((f) => f.without)]
  if (freed.length > 0) parts.push(`once there is another ${listed(freed)} free`)
  return `${helped === 1 ? 'One host' : `${helped} hosts`} would fit ${listed(parts)}`
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}
