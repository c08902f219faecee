// Requests of one process that arrive together are placed together. While a batch is being claimed the next one gathers,
// so the busier the process is, the larger its batches are, and nobody waits for a timer.
import type { Database } from '#lib/db.ts'
import { Fault, invalid } from '#lib/fault.ts'
import { isUuid } from '#lib/id.ts'
import type { World } from '#lib/world.ts'
import { candidatesOf, choose } from './choose.ts'
import { claim, whereabouts, type Wish } from './claim.ts'
import { explain, type Refusal } from './explain.ts'
import { type Filter, filtersOf } from './filters.ts'
import type { Placement, PlacementRequest } from './request.ts'
import { type LiveRoster, refreshRoster, type Roster, unreadRoster } from './roster.ts'

const batchLimit = 500
/** A round is lost only to somebody who won it, so this many mean a storm that would better pass first. */
const roundLimit = 25

interface Waiting {
  request: PlacementRequest
  answer: Promise<Placement>
  resolve(placement: Placement): void
  reject(error: unknown): void
}

interface Placer {
  live: LiveRoster
  /** By consumer: the same one twice is one request. */
  waiting: Map<string, Waiting>
  running: boolean
}

const placers = new WeakMap<Database, Map<string, Placer>>()

function placerOf(db: Database, region: string): Placer {
  const byRegion = placers.get(db) ?? new Map<string, Placer>()
  placers.set(db, byRegion)
  const known = byRegion.get(region)
  if (known) return known
  const placer: Placer = { live: unreadRoster(), waiting: new Map(), running: false }
  byRegion.set(region, placer)
  return placer
}

/**
 * Finds a host and claims its resources for the consumer, in a transaction of its own. A consumer that holds a claim
 * already gets that host again, so it may be repeated; `release` gives the claim back. Throws noCapacity, whose details
 * are a `Refusal`.
 */
export async function place(world: Pick<World, 'db'>, request: PlacementRequest): Promise<Placement> {
  requireRequest(request)
  const { db } = world
  const placer = placerOf(db, request.region)
  const already = placer.waiting.get(request.consumerId)
  if (already) return already.answer
  const { promise: answer, resolve, reject } = Promise.withResolvers<Placement>()
  placer.waiting.set(request.consumerId, { request, answer, resolve, reject })
  if (!placer.running) {
    placer.running = true
    setImmediate(() => void work(db, request.region, placer))
  }
  return answer
}

async function work(db: Database, region: string, placer: Placer): Promise<void> {
  while (placer.waiting.size > 0) {
    const batch = [...placer.waiting.values()].slice(0, batchLimit)
    for (const { request } of batch) placer.waiting.delete(request.consumerId)
    try {
      await placeBatch(db, region, placer.live, batch)
    } catch (error) {
      // the numbers in memory may hold claims that were not made
      placer.live = unreadRoster()
      for (const each of batch) each.reject(error)
    }
  }
  placer.running = false
}

async function placeBatch(db: Database, region: string, live: LiveRoster, batch: readonly Waiting[]): Promise<void> {
  let open = batch
  for (let round = 0; open.length > 0; round++) {
    const spokenOf = new Set(open.flatMap(({ request }) => [request.consumerId, ...companions(request)]))
    const [claimed] = await Promise.all([whereabouts(db, spokenOf), refreshRoster(db, region, live)])
    const { roster } = live
    const where = new Map(claimed)
    const chosen: { each: Waiting; host: number }[] = []
    const refused: { each: Waiting; fault: Fault }[] = []
    for (const each of open) {
      const { request } = each
      const held = claimed.get(request.consumerId)
      if (held !== undefined) {
        each.resolve({ host: await nameOf(db, region, live, held), providerId: held })
        continue
      }
      const filters = filtersOf(roster, request, where)
      const host = choose(candidatesOf(roster, filters, request, where), Math.random)
      if (host === undefined) {
        refused.push({ each, fault: refusalOf(roster, request, filters) })
        continue
      }
      take(roster, host, request, 1)
      where.set(request.consumerId, roster.ids[host]!)
      chosen.push({ each, host })
    }
    const wishes = chosen.map(({ each, host }) => wishOf(each.request, roster.ids[host]!))
    const won = wishes.length > 0 ? await db.transaction((tx) => claim(tx, region, wishes)) : new Set<string>()
    const lost: Waiting[] = []
    for (const { each, host } of chosen) {
      if (won.has(each.request.consumerId)) {
        each.resolve({ host: roster.names[host]!, providerId: roster.ids[host]! })
        continue
      }
      take(roster, host, each.request, -1)
      lost.push(each)
    }
    // what a loser had taken in memory may have been what the refused one needed
    if (lost.length === 0) for (const { each, fault } of refused) each.reject(fault)
    else lost.push(...refused.map(({ each }) => each))
    if (round === roundLimit)
      for (const each of lost)
        each.reject(
          new Fault('unavailable', 'Too many servers are being placed at this moment; try again in a few seconds.'),
        )
    open = round === roundLimit ? [] : lost
  }
}

function take(roster: Roster, host: number, request: PlacementRequest, sign: 1 | -1): void {
  for (const [resourceClass, amount] of Object.entries(request.resources)) {
    const column = roster.resources.get(resourceClass)
    if (column) column.used[host] = column.used[host]! + sign * amount
  }
}

function wishOf({ consumerId, projectId, userId, resources }: PlacementRequest, providerId: string): Wish {
  const wanted = Object.fromEntries(Object.entries(resources).filter(([, amount]) => amount > 0))
  return { consumerId, providerId, projectId, userId, resources: wanted }
}

// The roster was read beside the claims: a host may have come between the two.
async function nameOf(db: Database, region: string, live: LiveRoster, providerId: string): Promise<string> {
  if (!live.roster.placeOf.has(providerId)) await refreshRoster(db, region, live)
  const at = live.roster.placeOf.get(providerId)
  if (at === undefined) throw new Error(`a claim is held on ${providerId}, which is no host of ${region}`)
  return live.roster.names[at]!
}

function companions(request: PlacementRequest): string[] {
  const { sameHostAs = [], differentHostFrom = [], preferHostOf = [], spreadFrom = [] } = request
  return [...sameHostAs, ...differentHostFrom, ...preferHostOf, ...spreadFrom]
}

function refusalOf(roster: Roster, request: PlacementRequest, filters: Filter[]): Fault {
  const { message, refusal } = explain(roster, filters, request)
  return new Fault('noCapacity', message, { code: 'NoValidHost', details: refusal })
}

function requireRequest(request: PlacementRequest): void {
  for (const id of [request.consumerId, ...companions(request)])
    if (!isUuid(id) || id.length !== 36) invalid(`A server is named by its id; ${id} is none.`)
  const amounts = Object.entries(request.resources)
  for (const [resourceClass, amount] of amounts)
    if (!Number.isSafeInteger(amount) || amount < 0 || amount > 2_147_483_647)
      invalid(`${amount} is no possible amount of ${resourceClass}.`)
  if (!amounts.some(([, amount]) => amount > 0)) invalid('A request for nothing cannot be placed.')
}

/** What `place` would do now, without doing it: the hosts that fit, best first, or why none does. */
export async function dryRun(
  world: Pick<World, 'db'>,
  request: PlacementRequest,
): Promise<{ candidates: (Placement & { weight: number })[]; refusal: (Refusal & { message: string }) | null }> {
  requireRequest(request)
  // a roster of its own: the shared one may hold claims that are on their way
  const live = unreadRoster()
  const [where] = await Promise.all([
    whereabouts(world.db, companions(request)),
    refreshRoster(world.db, request.region, live),
  ])
  const { roster } = live
  const filters = filtersOf(roster, request, where)
  const candidates = candidatesOf(roster, filters, request, where)
  if (candidates.count === 0) {
    const { message, refusal } = explain(roster, filters, request)
    return { candidates: [], refusal: { ...refusal, message } }
  }
  const listed = Array.from(candidates.hosts.subarray(0, candidates.count), (host, i) => ({
    host: roster.names[host]!,
    providerId: roster.ids[host]!,
    weight: candidates.weights[i]!,
  }))
  return { candidates: listed.toSorted((a, b) => b.weight - a.weight), refusal: null }
}
