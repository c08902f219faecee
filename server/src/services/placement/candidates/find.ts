// Which providers could together give what is asked for. The rules are Placement's ("Provider trees", "Granular resource
// requests" in docs.openstack.org/placement): the group without a suffix may be served by several providers of a tree
// together, a group with a suffix by one alone.
import type { Membership, Traits } from '../http.ts'
import { hasRoom, type Stock, type Tree } from './stock.ts'

export interface Group extends Traits, Membership {
  suffix: string
  resources: ReadonlyMap<string, number>
  inTree: string | undefined
}

export interface CandidateRequest {
  groups: readonly Group[]
  /** Groups with a suffix each want a provider of their own. */
  isolate: boolean
  rootTraits: Traits
  /** Groups, by suffix, whose providers must all be below one of them. */
  sameSubtrees: readonly (readonly string[])[]
  limit: number | undefined
  /** False: only what takes no more than one provider of each tree. */
  nested: boolean
}

export interface Candidate {
  /** Provider → amounts by class. */
  allocations: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Suffix → the providers that serve the group. */
  mappings: ReadonlyMap<string, readonly string[]>
}

/** A query that fits a thousand hosts in a thousand ways is answered with this many. */
const candidateLimit = 10_000

/** What serves one group: a class from a provider, or a provider alone where nothing but its traits is wanted. */
interface Service {
  group: Group
  parts: readonly { stock: Stock; resourceClass: string; amount: number }[]
  stocks: readonly Stock[]
}

export function findCandidates(trees: readonly Tree[], request: CandidateRequest): Candidate[] {
  const found = new Map<string, Candidate>()
  const limit = Math.min(request.limit ?? candidateLimit, candidateLimit)
  for (const tree of trees) {
    if (!hasTraits([tree.root], request.rootTraits.required) || hasAny(tree.root, request.rootTraits.forbidden))
      continue
    for (const services of combinations(request.groups.map((group) => servicesFor(tree, group)))) {
      const candidate = combined(tree, request, services)
      if (candidate) found.set(keyOf(candidate), candidate)
      if (found.size === limit) return [...found.values()]
    }
  }
  return [...found.values()]
}

function servicesFor(tree: Tree, group: Group): () => Iterable<Service> {
  const able = [...tree.providers, ...tree.sharing].filter((stock) => isEligible(tree, stock, group))
  const wants = [...group.resources]
  if (group.suffix !== '') {
    const serving = able.filter(
      (stock) => hasTraits([stock], group.required) && wants.every(([name, amount]) => hasRoom(stock, name, amount)),
    )
    return () =>
      serving.map((stock) => ({
        group,
        parts: wants.map(([resourceClass, amount]) => ({ stock, resourceClass, amount })),
        stocks: [stock],
      }))
  }
  const options = wants.map(([resourceClass, amount]) => {
    const suppliers = able.filter((stock) => hasRoom(stock, resourceClass, amount))
    return () => suppliers.map((stock) => ({ stock, resourceClass, amount }))
  })
  return function* () {
    for (const parts of combinations(options)) {
      const stocks = [...new Set(parts.map(({ stock }) => stock))]
      if (hasTraits(stocks, group.required)) yield { group, parts, stocks }
    }
  }
}

function isEligible(tree: Tree, stock: Stock, group: Group): boolean {
  if (hasAny(stock, group.forbidden)) return false
  const own = stock.rootId === tree.root.id
  if (group.inTree !== undefined && !(own && tree.providers.some(({ id }) => id === group.inTree))) return false
  // an aggregate of the root is one of all below it
  const aggregates = own ? stock.aggregates.union(tree.root.aggregates) : stock.aggregates
  if (group.forbiddenAggregates.some((id) => aggregates.has(id))) return false
  return group.memberOf.every((anyOf) => anyOf.some((id) => aggregates.has(id)))
}

function hasAny(stock: Stock, traits: readonly string[]): boolean {
  return traits.some((trait) => stock.traits.has(trait))
}

function hasTraits(stocks: readonly Stock[], required: readonly (readonly string[])[]): boolean {
  return required.every((anyOf) => anyOf.some((trait) => stocks.some(({ traits }) => traits.has(trait))))
}

/** One of each list, in all ways; lists are opened only when they are come to. */
function* combinations<Item>(lists: readonly (() => Iterable<Item>)[], chosen: readonly Item[] = []): Iterable<Item[]> {
  const next = lists[chosen.length]
  if (!next) yield [...chosen]
  else for (const item of next()) yield* combinations(lists, [...chosen, item])
}

/** The services together, unless they get into each other's way. */
function combined(tree: Tree, request: CandidateRequest, services: readonly Service[]): Candidate | undefined {
  const stocks = new Map(services.flatMap((service) => service.stocks.map((stock) => [stock.id, stock] as const)))
  // what comes from elsewhere alone is found in its own tree
  if (!stocks.values().some(({ rootId }) => rootId === tree.root.id)) return undefined
  if (!request.nested && new Set([...stocks.values()].map(({ rootId }) => rootId)).size < stocks.size) return undefined
  if (request.isolate) {
    const alone = services.filter(({ group }) => group.suffix !== '').map(({ stocks: [stock] }) => stock)
    if (new Set(alone).size < alone.length) return undefined
  }
  for (const suffixes of request.sameSubtrees)
    if (
      !isSubtree(
        tree,
        services.filter(({ group }) => suffixes.includes(group.suffix)),
      )
    )
      return undefined
  const allocations = new Map<string, Map<string, number>>()
  for (const { stock, resourceClass, amount } of services.flatMap(({ parts }) => parts)) {
    const amounts = allocations.get(stock.id) ?? new Map<string, number>()
    allocations.set(stock.id, amounts)
    const sum = (amounts.get(resourceClass) ?? 0) + amount
    if (!hasRoom(stock, resourceClass, sum)) return undefined
    amounts.set(resourceClass, sum)
  }
  const mappings = new Map(services.map(({ group, stocks: serving }) => [group.suffix, serving.map(({ id }) => id)]))
  return { allocations, mappings }
}

/** Whether one of the providers is an ancestor of all of them. */
function isSubtree(tree: Tree, services: readonly Service[]): boolean {
  const byId = new Map(tree.providers.map((stock) => [stock.id, stock]))
  const lineOf = (stock: Stock) => {
    const line = new Set<string>()
    for (let at: Stock | undefined = stock; at; at = byId.get(at.parentId ?? '')) line.add(at.id)
    return line
  }
  const all = services.flatMap(({ stocks }) => stocks)
  const lines = all.map(lineOf)
  return all.some(({ id }) => lines.every((line) => line.has(id)))
}

function keyOf({ allocations, mappings }: Candidate): string {
  const amounts = [...allocations].map(([id, of]) => `${id} ${[...of].join(' ')}`).toSorted()
  return `${amounts.join(';')}|${[...mappings].map(([suffix, ids]) => `${suffix}=${ids.toSorted().join(',')}`).join(';')}`
}
