// The catalogue: which services there are, and where. URLs are templates: $(public_url)s is how clients reach this cloud.
import type { Actor } from '#lib/actor.ts'
import { publicUrl } from '#lib/config.ts'
import { and, eq } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import { readEndpointFilters } from '../endpoint-filter/model.ts'
import { listEnabledServiceProviders, type ServiceProvider } from '../federation/service-providers/model.ts'
import { endpoint, service } from '../model.ts'

export interface CatalogEntry {
  id: string
  type: string
  name: string
  endpoints: { id: string; interface: string; region: string | null; region_id: string | null; url: string }[]
}

interface Kept {
  entries: CatalogEntry[]
  /** Endpoints that a project sees, for those projects that do not see all of them. */
  filters: Map<string, Set<string>>
  serviceProviders: ServiceProvider[]
}
interface Memory {
  kept: Kept | undefined
  /** What was being read while something changed is not kept. */
  changes: number
  /** Without ears nothing is kept at all. */
  hears: boolean
}
const memories = new WeakMap<object, Memory>()

/** The catalogue is kept from here on, until identity changes. */
export function keepCatalogFresh(world: World): void {
  const memory: Memory = { kept: undefined, changes: 0, hears: false }
  memories.set(world.db, memory)
  const forget = () => {
    memory.kept = undefined
    memory.changes++
  }
  const turn = (hears: boolean) => {
    memory.hears = hears
    forget()
  }
  world.db.subscribe(
    'identity',
    forget,
    () => turn(true),
    () => turn(false),
  )
}

async function read(world: World): Promise<Kept> {
  const memory = memories.get(world.db)
  if (memory?.kept) return memory.kept
  const before = memory?.changes
  const found = {
    entries: await queryCatalog(world),
    filters: await readEndpointFilters(world.db),
    serviceProviders: await listEnabledServiceProviders(world.db),
  }
  if (memory?.hears && memory.changes === before) memory.kept = found
  return found
}

/** The other clouds to which users of this one may go on. */
export async function readServiceProviders(world: World): Promise<readonly ServiceProvider[]> {
  return (await read(world)).serviceProviders
}

/** The catalogue as this actor sees it. */
export async function readCatalog(world: World, actor: Actor): Promise<CatalogEntry[]> {
  const known = await read(world)
  const filter = known.filters.get(actor.projectId ?? '')
  const seen = filter
    ? known.entries.map((entry) => ({ ...entry, endpoints: entry.endpoints.filter(({ id }) => filter.has(id)) }))
    : known.entries
  if (!seen.some((entry) => entry.endpoints.some(({ url }) => url.includes('$(')))) return seen
  const fill = (url: string) =>
    url
      .replaceAll(/[$%]\((tenant_id|project_id)\)s/g, actor.projectId ?? '')
      .replaceAll(/[$%]\(user_id\)s/g, actor.userId)
  return seen.map((entry) => ({
    ...entry,
    // a token without a project has no use for an address that names one
    endpoints: entry.endpoints
      .filter(({ url }) => actor.projectId !== null || !/[$%]\((tenant_id|project_id)\)s/.test(url))
      .map((each) => ({ ...each, url: fill(each.url) })),
  }))
}

async function queryCatalog(world: World): Promise<CatalogEntry[]> {
  const rows = await world.db
    .select()
    .from(service)
    .leftJoin(endpoint, and(eq(endpoint.serviceId, service.id), eq(endpoint.enabled, true)))
    .where(eq(service.enabled, true))
    .orderBy(service.id, endpoint.id)
  const entries = new Map<string, CatalogEntry>()
  for (const row of rows) {
    const entry = entries.get(row.service.id) ?? {
      id: row.service.id,
      type: row.service.type,
      name: row.service.name ?? '',
      endpoints: [],
    }
    if (row.endpoint)
      entry.endpoints.push({
        id: row.endpoint.id,
        interface: row.endpoint.interface,
        region: row.endpoint.regionId,
        region_id: row.endpoint.regionId,
        url: expandUrl(row.endpoint.url, world),
      })
    entries.set(row.service.id, entry)
  }
  return [...entries.values()]
}

/** The address that a template begins with: this cloud's own. */
export function expandUrl(url: string, world: Pick<World, 'config'>): string {
  return url.replaceAll('$(public_url)s', publicUrl(world.config))
}
