// What makes a host fit or not. Choosing, refusing and explaining all ask these same filters.
import type { PlacementRequest, Whereabouts } from './request.ts'
import type { Column, Roster } from './roster.ts'

export interface Filter {
  /** For programs: 'free:VCPU', 'trait:HW_CPU_X86_AVX2'. */
  readonly name: string
  passes(host: number): boolean
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

/** The filters of a request, in the order in which they are asked: the cheap and decisive ones first. */
export function filtersOf(roster: Roster, request: PlacementRequest, where: Whereabouts): Filter[] {
  const filters: Filter[] = [
    {
      name: 'enabled',
      passes: (host) => roster.enabled[host] === 1,
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} not in service`,
      without: 'once back in service',
      cost: 100,
    },
  ]
  for (const [resourceClass, amount] of Object.entries(request.resources))
    if (amount > 0) filters.push(...needFilters(roster.resources.get(resourceClass), resourceClass, amount))
  if (request.hosts) filters.push(nameFilter(roster, 'hosts', request.hosts, true))
  if (request.avoidHosts?.length) filters.push(nameFilter(roster, 'avoidHosts', request.avoidHosts, false))
  for (const trait of request.requiredTraits ?? []) {
    const has = roster.traits.get(trait)
    filters.push({
      name: `trait:${trait}`,
      passes: (host) => has?.[host] === 1,
      says: (n) => `${n} ${n === 1 ? 'does' : 'do'} not have the trait ${trait}`,
      without: `without the required trait ${trait}`,
      cost: 10,
    })
  }
  for (const trait of request.forbiddenTraits ?? []) {
    const has = roster.traits.get(trait)
    filters.push({
      name: `forbiddenTrait:${trait}`,
      passes: (host) => has?.[host] !== 1,
      says: (n) => `${n} ${n === 1 ? 'has' : 'have'} the forbidden trait ${trait}`,
      without: `if the trait ${trait} were not forbidden`,
      cost: 10,
    })
  }
  for (const anyOf of request.aggregates ?? []) {
    const flags = anyOf.map((id) => roster.aggregates.get(id))
    filters.push({
      name: 'aggregates',
      passes: (host) => flags.some((flag) => flag?.[host] === 1),
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} outside the host aggregates asked for`,
      without: 'outside the host aggregates asked for',
      cost: 10,
    })
  }
  if (request.forbiddenAggregates?.length) {
    const flags = request.forbiddenAggregates.map((id) => roster.aggregates.get(id))
    filters.push({
      name: 'forbiddenAggregates',
      passes: (host) => !flags.some((flag) => flag?.[host] === 1),
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} reserved for others`,
      without: 'among the hosts that are reserved for others',
      cost: 10,
    })
  }
  if (request.sameHostAs?.length) {
    const wanted = placesOf(roster, request.sameHostAs, where)
    filters.push({
      name: 'sameHost',
      passes: (host) => wanted.has(host),
      says: (n) => `${n} ${n === 1 ? 'does' : 'do'} not run the servers that it must be with`,
      without: 'away from the servers that it must be with',
      cost: 10,
    })
  }
  if (request.differentHostFrom?.length) {
    const taken = placesOf(roster, request.differentHostFrom, where)
    filters.push({
      name: 'differentHost',
      passes: (host) => !taken.has(host),
      says: (n) => `${n} already ${n === 1 ? 'runs' : 'run'} a server that it must be apart from`,
      without: 'beside a server that it must be apart from',
      cost: 10,
    })
  }
  return filters
}

/** The hosts of these consumers, as places in the roster. */
export function placesOf(roster: Roster, consumers: readonly string[], where: Whereabouts): Set<number> {
  const places = new Set<number>()
  for (const id of consumers) {
    const place = roster.placeOf.get(where.get(id) ?? '')
    if (place !== undefined) places.add(place)
  }
  return places
}

function nameFilter(roster: Roster, name: 'hosts' | 'avoidHosts', names: readonly string[], wanted: boolean): Filter {
  const set = new Set(names)
  return {
    name,
    passes: (host) => set.has(roster.names[host]!) === wanted,
    says: (n) => `${n} ${n === 1 ? 'is' : 'are'} ${wanted ? 'not among those asked for' : 'to be avoided'}`,
    without: wanted ? 'if other hosts were asked for' : 'if it need not be avoided',
    cost: 10,
  }
}

function needFilters(column: Column | undefined, resourceClass: string, amount: number): Filter[] {
  const what = describe(resourceClass, amount)
  if (!column) {
    const nothing = { resourceClass, amount, available: () => 0 }
    return [
      {
        name: `size:${resourceClass}`,
        passes: () => false,
        says: (n) => `${n} ${n === 1 ? 'has' : 'have'} no ${noun(resourceClass)} at all`,
        without: `without ${what}`,
        cost: 1,
        need: nothing,
      },
    ]
  }
  const { capacity, used, minUnit, maxUnit, stepSize } = column
  // the most that one request may have of the empty host, in whole steps
  const most = (host: number) => {
    const limit = Math.min(capacity[host]!, maxUnit[host]!)
    return limit - (limit % (stepSize[host] || 1))
  }
  const free = (host: number) => {
    const left = Math.max(0, Math.min(most(host), capacity[host]! - used[host]!))
    const whole = left - (left % (stepSize[host] || 1))
    return whole < minUnit[host]! ? 0 : whole
  }
  const need = { resourceClass, amount, available: free }
  return [
    {
      name: `free:${resourceClass}`,
      // a host too small for it even when empty is counted below, not here
      passes: (host) => used[host]! + amount <= capacity[host]! || amount > most(host),
      says: (n) => `${n} ${n === 1 ? 'has' : 'have'} less than ${what} free`,
      without: `without ${what}`,
      cost: 1,
      need,
    },
    {
      name: `size:${resourceClass}`,
      passes: (host) => amount <= most(host) && amount >= minUnit[host]! && amount % (stepSize[host] || 1) === 0,
      says: (n) => `${n} ${n === 1 ? 'is' : 'are'} not made for ${what} in one piece`,
      without: `without ${what}`,
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
