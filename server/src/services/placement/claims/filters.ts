// What makes a host fit or not. Choosing, refusing and explaining all ask these same filters.
import type { PlacementRequest, Whereabouts } from './request.ts'
import type { Roster } from './roster.ts'

export interface Filter {
  /** For programs: 'free:VCPU', 'trait:HW_CPU_X86_AVX2'. */
  readonly name: string
  /** Sets to 0 the places of all hosts that do not pass; leaves the others. */
  refuse(passing: Uint8Array): void
  /** Completes "of 10 hosts, 3 …". */
  says(hosts: number): string
  /** Completes "one host would fit …": what of the request would have to go. */
  readonly without: string
  /** How hard it is to go without, beside the other filters. */
  readonly cost: number
  /** For a resource: by how much the request is too large for the host. */
  readonly need?: Need
}

export interface Need {
  readonly resourceClass: string
  readonly amount: number
  /** How much a host could give now to one request. */
  available(host: number): number
}

/** The filters of a request. Each is one loop over a column: a thousand hosts take microseconds. */
export function filtersOf(roster: Roster, request: PlacementRequest, where: Whereabouts): Filter[] {
  const filters: Filter[] = [
    {
      name: 'enabled',
      refuse: keep(roster, roster.enabled, 1),
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} not in service`,
      without: 'once back in service',
      cost: 100,
    },
  ]
  for (const [resourceClass, amount] of Object.entries(request.resources))
    if (amount > 0) filters.push(...needFilters(roster, resourceClass, amount))
  if (request.hosts) filters.push(nameFilter(roster, 'hosts', request.hosts, true))
  if (request.avoidHosts?.length) filters.push(nameFilter(roster, 'avoidHosts', request.avoidHosts, false))
  for (const trait of request.requiredTraits ?? []) {
    filters.push({
      name: `trait:${trait}`,
      refuse: keep(roster, roster.traits.get(trait), 1),
      says: (n) => `${n} ${n === 1 ? 'does' : 'do'} not have the trait ${trait}`,
      without: `without the required trait ${trait}`,
      cost: 10,
    })
  }
  for (const trait of request.forbiddenTraits ?? []) {
    filters.push({
      name: `forbiddenTrait:${trait}`,
      refuse: keep(roster, roster.traits.get(trait), 0),
      says: (n) => `${n} ${n === 1 ? 'has' : 'have'} the forbidden trait ${trait}`,
      without: `if the trait ${trait} were not forbidden`,
      cost: 10,
    })
  }
  for (const anyOf of request.aggregates ?? []) {
    filters.push({
      name: 'aggregates',
      refuse: keep(roster, union(roster, roster.aggregates, anyOf), 1),
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} outside the host aggregates asked for`,
      without: 'outside the host aggregates asked for',
      cost: 10,
    })
  }
  if (request.forbiddenAggregates?.length) {
    filters.push({
      name: 'forbiddenAggregates',
      refuse: keep(roster, union(roster, roster.aggregates, request.forbiddenAggregates), 0),
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} reserved for others`,
      without: 'among the hosts that are reserved for others',
      cost: 10,
    })
  }
  if (request.sameHostAs?.length) {
    filters.push({
      name: 'sameHost',
      refuse: keep(roster, marked(roster, placesOf(roster, request.sameHostAs, where)), 1),
      says: (n) => `${n} ${n === 1 ? 'does' : 'do'} not run the servers that it must be with`,
      without: 'away from the servers that it must be with',
      cost: 10,
    })
  }
  if (request.differentHostFrom?.length) {
    filters.push({
      name: 'differentHost',
      refuse: keep(roster, marked(roster, placesOf(roster, request.differentHostFrom, where)), 0),
      says: (n) => `${n} already ${n === 1 ? 'runs' : 'run'} a server that it must be apart from`,
      without: 'beside a server that it must be apart from',
      cost: 10,
    })
  }
  return filters
}

/** Only hosts whose flag is `wanted` pass; a flag that no host has ever had is 0 for all. */
function keep(roster: Roster, flags: Uint8Array | undefined, wanted: 0 | 1): Filter['refuse'] {
  const { size } = roster
  return (passing) => {
    if (flags) for (let host = 0; host < size; host++) passing[host]! &= flags[host] === wanted ? 1 : 0
    else if (wanted === 1) passing.fill(0)
  }
}

function union(roster: Roster, flags: ReadonlyMap<string, Uint8Array>, names: readonly string[]): Uint8Array {
  const any = new Uint8Array(roster.size)
  for (const name of names) {
    const flag = flags.get(name)
    if (flag) for (let host = 0; host < roster.size; host++) any[host]! |= flag[host]!
  }
  return any
}

function marked(roster: Roster, places: Iterable<number>): Uint8Array {
  const flags = new Uint8Array(roster.size)
  for (const place of places) flags[place] = 1
  return flags
}

/** The hosts of these consumers, as places in the roster. */
export function placesOf(roster: Roster, consumers: readonly string[], where: Whereabouts): Set<number> {
  const places = new Set<number>()
  for (const id of consumers) {
    const place = roster.placeOf.get(where.get(id.toLowerCase()) ?? '')
    if (place !== undefined) places.add(place)
  }
  return places
}

function nameFilter(roster: Roster, name: 'hosts' | 'avoidHosts', names: readonly string[], wanted: boolean): Filter {
  const set = new Set(names)
  const named = roster.names.flatMap((each, place) => (set.has(each) ? [place] : []))
  return {
    name,
    refuse: keep(roster, marked(roster, named), wanted ? 1 : 0),
    says: (n) => `${n} ${n === 1 ? 'is' : 'are'} ${wanted ? 'not among those asked for' : 'to be avoided'}`,
    without: wanted ? 'if other hosts were asked for' : 'if it need not be avoided',
    cost: 10,
  }
}

function needFilters(roster: Roster, resourceClass: string, amount: number): Filter[] {
  const { size } = roster
  const column = roster.resources.get(resourceClass)
  const what = describe(resourceClass, amount)
  const without = `without ${what}`
  if (!column) {
    return [
      {
        name: `size:${resourceClass}`,
        refuse: (passing) => void passing.fill(0),
        says: (n) => `${n} ${n === 1 ? 'has' : 'have'} no ${noun(resourceClass)} at all`,
        without,
        cost: 1,
        need: { resourceClass, amount, available: () => 0 },
      },
    ]
  }
  const { capacity, used, most, minUnit, stepSize } = column
  const need: Need = {
    resourceClass,
    amount,
    available(host) {
      const left = Math.max(0, Math.min(most[host]!, capacity[host]! - used[host]!))
      const whole = left - (left % (stepSize[host] || 1))
      return whole < minUnit[host]! ? 0 : whole
    },
  }
  return [
    {
      name: `free:${resourceClass}`,
      refuse(passing) {
        // a host too small for it even when empty is refused below, not here
        for (let host = 0; host < size; host++)
          if (used[host]! + amount > capacity[host]! && amount <= most[host]!) passing[host] = 0
      },
      says: (n) => `${n} ${n === 1 ? 'has' : 'have'} less than ${what} free`,
      without,
      cost: 1,
      need,
    },
    {
      name: `size:${resourceClass}`,
      refuse(passing) {
        for (let host = 0; host < size; host++)
          if (amount > most[host]! || amount < minUnit[host]! || (stepSize[host]! > 1 && amount % stepSize[host]! > 0))
            passing[host] = 0
      },
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} not made for ${what} in one piece`,
      without,
      cost: 1,
      need,
    },
  ]
}

/** '4 vCPU', '2048 MB of memory', '3 CUSTOM_GPU'. */
export function describe(resourceClass: string, amount: number): string {
  if (resourceClass === 'VCPU') return `${amount} vCPU`
  if (resourceClass === 'MEMORY_MB') return `${amount} MB of memory`
  if (resourceClass === 'DISK_GB') return `${amount} GB of disk`
  return `${amount} ${resourceClass}`
}

function noun(resourceClass: string): string {
  return { VCPU: 'vCPU', MEMORY_MB: 'memory', DISK_GB: 'disk' }[resourceClass] ?? resourceClass
}
