// The catalogue: which services there are, and where. URLs are templates: $(public_url)s is how clients reach this cloud.
import type { Actor } from '#lib/actor.ts'
import { publicUrl } from '#lib/config.ts'
import { and, eq } from '#lib/db.ts'
import type { World } from '#lib/world.ts'
import { readEndpointFilters } from '../endpoint-filter/model.ts'
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
}
const kept = new WeakMap<object, Kept | undefined>()

/** Forgotten whenever identity changes; see keepCatalogFresh. */
export function keepCatalogFresh(world: World): void {
  const forget = () => void kept.delete(world.db)
  world.db.subscribe('identity', forget, forget)
}

/** The catalogue as this actor sees it. */
export async function readCatalog(world: World, actor: Actor): Promise<CatalogEntry[]> {
  const known = kept.get(world.db) ?? {
    entries: await queryCatalog(world),
    filters: await readEndpointFilters(world.db),
  }
  kept.set(world.db, known)
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
