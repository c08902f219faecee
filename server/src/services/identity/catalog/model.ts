// The catalogue: which services there are, and where. URLs are templates: $(public_url)s is how clients reach this cloud.
import { createHash } from 'node:crypto'
import type { Actor } from '#lib/actor.ts'
import { publicUrl } from '#lib/config.ts'
import { and, eq, type Tx } from '#lib/db.ts'
import type { Service } from '#lib/http/route.ts'
import type { World } from '#lib/world.ts'
import { readEndpointFilters } from '../endpoint-filter/model.ts'
import { endpoint, region, service } from '../model.ts'
import type { CatalogEntry } from '../tokens/views.ts'

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

const stableId = (...parts: string[]) => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)

/** Writes down what this program offers in `regionId`; what operators added or changed beside it stays. */
export async function ensureCatalog(
  tx: Tx,
  services: readonly Service[],
  regionId: string,
  ownRegion: boolean,
): Promise<void> {
  await tx.insert(region).values({ id: regionId }).onConflictDoNothing()
  for (const { catalog, regional } of services) {
    if (!regional && !ownRegion) continue
    for (const { type, name, path } of catalog) {
      const serviceId = stableId('service', type)
      await tx.insert(service).values({ id: serviceId, type, name, description: '' }).onConflictDoNothing()
      const url = `$(public_url)s${ownRegion ? '' : `/regions/${encodeURIComponent(regionId)}`}${path}`
      for (const face of ['public', 'internal', 'admin'] as const) {
        const id = stableId('endpoint', type, regionId, face)
        await tx.insert(endpoint).values({ id, serviceId, regionId, interface: face, url }).onConflictDoNothing()
      }
    }
  }
}
